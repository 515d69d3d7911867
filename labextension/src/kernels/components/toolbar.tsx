/** The item in a notebook's or console's toolbar: which GPU its kernel has, and for how long. */

import type { ISessionContext } from '@jupyterlab/apputils';
import {
  ReactWidget,
  refreshIcon,
  ToolbarButtonComponent
} from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Words } from '../../format';
import type { Label } from '../../leases/sentences';
import type { KernelActions } from '../actions';
import { leasesOf } from '../rows';
import { face } from '../sentences';
import type { Kernels } from '../service';

export interface IToolbarProps {
  readonly service: Kernels;
  readonly actions: KernelActions;
  readonly session: ISessionContext;
  readonly words: Words;
  readonly label: Label;
}

export class KernelGpus extends ReactWidget {
  constructor(private readonly _props: IToolbarProps) {
    super();
    this.addClass('gpuctl-KernelGpus');
    const { service, session } = _props;
    service.changed.connect(this._onChanged);
    session.kernelChanged.connect(this._onKernel);
    session.statusChanged.connect(this._onStatus);
    this._onChanged();
  }

  override dispose(): void {
    const { service, session } = this._props;
    service.changed.disconnect(this._onChanged);
    session.kernelChanged.disconnect(this._onKernel);
    session.statusChanged.disconnect(this._onStatus);
    super.dispose();
  }

  protected override render(): React.JSX.Element | null {
    const { service, actions, session, words, label } = this._props;
    const { model } = service.leases;
    const id = this._kernelId;
    const shown = face(
      service.model.state.kernels.get(id ?? ''),
      leasesOf(model.state.rows, id),
      label,
      model.now(),
      words
    );
    const isBusy = service.model.state.busy.has(id ?? '');
    this.node.dataset.mood = shown.mood;
    this.node.dataset.mark = shown.mark ?? '';
    return (
      <ToolbarButtonComponent
        className="gpuctl-KernelGpus-button"
        label={isBusy ? words.__('GPU …') : shown.text}
        icon={shown.mark === 'restart' ? refreshIcon : undefined}
        tooltip={
          id === null
            ? words.__('%1 has no kernel yet', session.name)
            : shown.title
        }
        enabled={id !== null}
        aria-haspopup="menu"
        onClick={() => {
          if (id !== null) {
            actions.open(id, this.node);
          }
        }}
      />
    );
  }

  private get _kernelId(): string | null {
    return this._props.session.session?.kernel?.id ?? null;
  }

  private readonly _onChanged = (): void => {
    // Where nobody leases anything, there is nothing to press.
    const { quota, rows } = this._props.service.leases.model.state;
    const isUseful = (quota?.largest ?? 0) > 0 || rows.active.length > 0;
    if (isUseful === this.isHidden) {
      this.setHidden(!isUseful);
    }
    this.update();
  };

  private readonly _onKernel = (): void => {
    this.update();
    this._props.service.refresh();
  };

  private readonly _onStatus = (_: ISessionContext, status: string): void => {
    const { service } = this._props;
    const kernel = service.model.state.kernels.get(this._kernelId ?? '');
    // What waits for the end of a cell, or for a restart, may be done now.
    const waits =
      kernel?.applied === 'when_idle' ||
      kernel?.applied === 'restart' ||
      kernel?.death != null;
    if (status === 'idle' && waits) {
      service.refresh();
    }
  };
}
