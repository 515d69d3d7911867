/** One validation of the server, followed until it has ended. */

import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, ServerAway } from '../errors';
import type { ValidationAnswer } from '../wire';
import type { IValidationApi } from './api';
import { ENDED } from './sentences';

/** Milliseconds between two questions while it is seen, and while it is not. */
const SEEN = 1000;
const UNSEEN = 5000;

/** Milliseconds at most between two tries while the server is away: seen, and not. */
const LONGEST_SEEN = 10_000;
const LONGEST = 30_000;

export interface IFollowing {
  /** `null`: the server hasn't answered yet. */
  readonly answer: ValidationAnswer | null;
  /** The server doesn't answer now. */
  readonly isAway: boolean;
  /** The server, most likely a new one, knows nothing of it. */
  readonly isLost: boolean;
  /** Why the server refuses; empty: it does not. */
  readonly refusal: string;
}

export class Follower {
  constructor(
    readonly id: string,
    private readonly _api: IValidationApi,
    private readonly _isSeen: () => boolean
  ) {
    this._poll = new Poll<void>({
      name: `jupyter-gpuctl:validation-${id}`,
      factory: () => this._ask(),
      frequency: this._frequency(),
      // What is not looked at goes on, and its end is told.
      standby: 'never'
    });
  }

  get state(): IFollowing {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted once, if it ended while it was followed. */
  get ended(): ISignal<this, ValidationAnswer> {
    return this._ended;
  }

  /** Somebody has begun, or ceased, to look. */
  touch(): void {
    if (!this._isOver) {
      this._poll.frequency = this._frequency();
      if (this._isSeen()) {
        void this._poll.refresh();
      }
    }
  }

  /** Throws as `get` of `request.ts`. */
  async cancel(): Promise<void> {
    const { answer } = this._state;
    // What has ended would be forgotten.
    if (answer && !ENDED.has(answer.status) && !this._state.isLost) {
      this._take(await this._api.cancel(this.id));
    }
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _ask(): Promise<void> {
    try {
      this._take(await this._api.one(this.id));
    } catch (reason) {
      if (reason instanceof ApiError) {
        if (reason.status === 404) {
          this._set({ isLost: true, isAway: false, refusal: '' });
          this._stop();
          return;
        }
        const refusal = `${reason.message} ${reason.hint}`.trim();
        this._set({ isAway: false, refusal });
      } else if (reason instanceof ServerAway) {
        this._set({ isAway: true });
      }
      // The poll asks less and less often.
      throw reason;
    }
  }

  private _take(answer: ValidationAnswer): void {
    if (this._poll.isDisposed) {
      return;
    }
    const before = this._state.answer;
    this._set({ answer, isAway: false, refusal: '' });
    this._poll.frequency = this._frequency();
    if (ENDED.has(answer.status)) {
      this._stop();
      if (before && !ENDED.has(before.status)) {
        this._ended.emit(answer);
      }
    }
  }

  private _stop(): void {
    this._isOver = true;
    void this._poll.stop();
  }

  private _set(change: Partial<IFollowing>): void {
    this._state = { ...this._state, ...change };
    this._changed.emit();
  }

  private _frequency() {
    return this._isSeen()
      ? { interval: SEEN, backoff: 2, max: LONGEST_SEEN }
      : { interval: UNSEEN, backoff: 2, max: LONGEST };
  }

  private _state: IFollowing = {
    answer: null,
    isAway: false,
    isLost: false,
    refusal: ''
  };
  private _isOver = false;
  private readonly _poll: Poll<void>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _ended = new Signal<this, ValidationAnswer>(this);
}
