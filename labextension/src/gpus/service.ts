/** The GPU wing's parts, joined: state, polling, settings, folds, and what other wings add. */

import type { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IGpus, IPanelPart } from '../tokens';
import type { Folds } from './folds';
import type { GpuModel } from './model';
import { startPolling } from './polling';
import { DEFAULTS, type IGpuSettings } from './settings';

export class Gpus implements IGpus {
  constructor(
    readonly model: GpuModel,
    readonly folds: Folds
  ) {
    this._poll = startPolling(model, () => this._settings.interval);
  }

  get settings(): IGpuSettings {
    return this._settings;
  }

  set settings(settings: IGpuSettings) {
    this._settings = settings;
    this._settingsChanged.emit();
    this.model.touch();
  }

  get settingsChanged(): ISignal<IGpus, void> {
    return this._settingsChanged;
  }

  get parts(): readonly IPanelPart[] {
    return this._parts;
  }

  get partsChanged(): ISignal<IGpus, void> {
    return this._partsChanged;
  }

  addPart(part: IPanelPart): void {
    this._parts = [...this._parts, part];
    part.changed.connect(() => {
      this._partsChanged.emit();
    });
    this._partsChanged.emit();
  }

  refresh(): void {
    void this._poll.refresh();
  }

  private _settings = DEFAULTS;
  private _parts: readonly IPanelPart[] = [];
  private readonly _poll: Poll<void>;
  private readonly _settingsChanged = new Signal<IGpus, void>(this);
  private readonly _partsChanged = new Signal<IGpus, void>(this);
}
