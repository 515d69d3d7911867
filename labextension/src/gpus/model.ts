/** What is known of the GPUs, and who wants to know. No DOM, no HTTP, no clock of its own. */

import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, ServerAway } from '../errors';
import type { GpusAnswer, Sample } from '../wire';
import { History } from './history';

/**
 * - `loading`: nothing has come yet
 * - `live`: the newest answer is what is shown
 * - `away`: the server doesn't answer; what is shown is old
 * - `refused`: the server answers, but not this
 */
export type Phase = 'loading' | 'live' | 'away' | 'refused';

/** Everything that a view needs, of one moment. */
export interface IGpuState {
  readonly phase: Phase;
  /** The newest answer, without its samples. */
  readonly answer: Omit<GpusAnswer, 'samples'> | null;
  readonly sample: Sample | null;
  /** Why it was refused. */
  readonly problem: ApiError | null;
  /** When the newest answer came, in milliseconds of the model's clock. */
  readonly receivedAt: number | null;
}

/** Something that shows GPUs. */
export interface IViewer {
  /** Whether a person could see it now. */
  readonly isVisible: boolean;
  /** Whether it draws the past too. */
  readonly wantsHistory: boolean;
}

/** GET gpus: with `since`, the samples after that one; without, the newest only. */
export type Ask = (since: number | undefined) => Promise<GpusAnswer>;

export interface IModelOptions {
  readonly ask: Ask;
  /** Milliseconds; the browser's clock. */
  readonly now: () => number;
}

export class GpuModel {
  constructor(options: IModelOptions) {
    this._ask = options.ask;
    this._now = options.now;
  }

  readonly history = new History();

  get state(): IGpuState {
    return this._state;
  }

  /** Emitted after each answer, and after each failure to get one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when what the viewers want may have changed. */
  get viewersChanged(): ISignal<this, void> {
    return this._viewersChanged;
  }

  /** What the visible viewers want; `null`: nobody looks, so nothing should be asked. */
  get wanted(): 'history' | 'newest' | null {
    let wanted: 'newest' | null = null;
    for (const viewer of this._viewers) {
      if (viewer.isVisible) {
        if (viewer.wantsHistory) {
          return 'history';
        }
        wanted = 'newest';
      }
    }
    return wanted;
  }

  addViewer(viewer: IViewer): void {
    this._viewers.add(viewer);
    this._viewersChanged.emit();
  }

  removeViewer(viewer: IViewer): void {
    this._viewers.delete(viewer);
    this._viewersChanged.emit();
  }

  /** A viewer tells that it was shown or hidden. */
  touch(): void {
    this._viewersChanged.emit();
  }

  /**
   * Ask once and take the answer in.
   *
   * Rejects when there was none, after the state has been changed to say so: whoever polls can
   * slow down.
   */
  async refresh(): Promise<void> {
    const turn = ++this._turn;
    try {
      const answer = await this._askForWanted();
      // Overtaken by the answer to a later question, this one is old.
      if (turn > this._taken) {
        this._taken = turn;
        this._take(answer);
      }
    } catch (reason) {
      if (turn < this._taken) {
        return;
      }
      if (reason instanceof ApiError) {
        this._set({ ...this._state, phase: 'refused', problem: reason });
      } else if (reason instanceof ServerAway) {
        this._set({ ...this._state, phase: 'away', problem: null });
      } else {
        throw reason;
      }
      throw reason;
    }
  }

  private async _askForWanted(): Promise<GpusAnswer> {
    if (this.wanted !== 'history') {
      return this._ask(undefined);
    }
    let answer: GpusAnswer;
    try {
      answer = await this._ask(this.history.seq);
    } catch (reason) {
      if (!(
        reason instanceof ApiError && reason.code === 'gpus.since_in_future'
      )) {
        throw reason;
      }
      // The server was started again and counts from one.
      this.history.clear();
      answer = await this._ask(0);
    }
    this.history.append(answer.samples);
    return answer;
  }

  private _take({ samples, ...answer }: GpusAnswer): void {
    // Asked again within one tick, there is no newer sample: the one before still holds.
    const sample = samples[samples.length - 1] ?? this._state.sample;
    this._set({
      phase: 'live',
      answer,
      sample,
      problem: null,
      receivedAt: this._now()
    });
  }

  private _set(state: IGpuState): void {
    this._state = state;
    this._changed.emit();
  }

  private _state: IGpuState = {
    phase: 'loading',
    answer: null,
    sample: null,
    problem: null,
    receivedAt: null
  };
  private _turn = 0;
  private _taken = 0;
  private readonly _ask: Ask;
  private readonly _now: () => number;
  private readonly _viewers = new Set<IViewer>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _viewersChanged = new Signal<this, void>(this);
}
