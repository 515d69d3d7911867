/** The side panel, as the application's shell sees it. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { gpuIcon } from '../icons';
import { Panel, type IPanelProps } from './components/panel';
import type { IViewer } from './model';

export class GpuPanel extends ReactWidget implements IViewer {
  constructor(private readonly _props: IPanelProps) {
    super();
    this.id = 'jupyter-gpuctl-panel';
    this.title.icon = gpuIcon;
    this.title.caption = _props.words.__('GPUs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _props.words.__('GPUs'));
    this.addClass('gpuctl-PanelWidget');
    _props.model.addViewer(this);
  }

  readonly wantsHistory = true;

  override dispose(): void {
    this._props.model.removeViewer(this);
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <Panel {...this._props} />;
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

  protected override onAfterDetach(message: Message): void {
    super.onAfterDetach(message);
    this._props.model.touch();
  }
}
