/** The item in the status bar: one glance, and a way to the panel. */

import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import type { Words } from '../format';
import type { IGpus } from '../tokens';
import type { GpuModel, IViewer } from './model';
import { deviceRows } from './rows';
import { statusText } from './sentences';

export interface IStatusProps {
  readonly model: GpuModel;
  /** What other wings add. */
  readonly parts: Pick<IGpus, 'parts' | 'partsChanged'>;
  readonly words: Words;
  readonly now: () => number;
  readonly open: () => void;
}

export class GpuStatus extends ReactWidget implements IViewer {
  constructor(private readonly _props: IStatusProps) {
    super();
    this.addClass('gpuctl-StatusWidget');
    _props.model.addViewer(this);
  }

  readonly wantsHistory = false;

  override dispose(): void {
    this._props.model.removeViewer(this);
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return (
      <UseSignal signal={this._props.parts.partsChanged}>
        {() => (
          <UseSignal signal={this._props.model.changed}>
            {() => <Item {...this._props} />}
          </UseSignal>
        )}
      </UseSignal>
    );
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._props.model.touch();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._props.model.touch();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._props.model.touch();
  }
}

function Item(props: IStatusProps): React.JSX.Element | null {
  const { model, words, now, open } = props;
  const { parts } = props.parts;
  const { state } = model;
  const rows = deviceRows(state.answer?.devices ?? [], state.sample, words);
  const status = statusText(state, rows, now(), words);
  if (!status) {
    return null;
  }
  return (
    <button
      type="button"
      className={`gpuctl-Status ${status.stale ? 'gpuctl-mod-stale' : ''}`}
      title={status.title}
      onClick={open}
    >
      {[status.text, ...parts.map(part => part.status())]
        .filter(Boolean)
        .join(' · ')}
    </button>
  );
}
