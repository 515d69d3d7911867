/** The lease wing's parts, joined: state, when to ask, what to tell, and what can be done. */

import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, ServerAway } from '../errors';
import type { LeaseAnswer, LeaseRequestBody, PreviewAnswer } from '../wire';
import type { ILeaseApi } from './api';
import { LeaseModel } from './model';
import { endOf } from './rows';

/** Seconds between two questions while the panel is seen, and while only a lease is at stake. */
const SEEN = 10;
const UNSEEN = 30;

/** Seconds at most between two tries while the server is away. */
const LONGEST = 30;

/** Milliseconds in which events that come together are one. */
const GATHER = 50;

export interface ILeasesOptions {
  readonly api: ILeaseApi;
  /** Milliseconds; the browser's clock. */
  readonly now: () => number;
  /** Whether a person could see leases now. */
  readonly isSeen: () => boolean;
}

/** A lease of the caller's that has changed without a call from here. */
export interface ITurn {
  readonly kind: 'started' | 'ended';
  readonly lease: LeaseAnswer;
}

export class Leases {
  constructor(private readonly _options: ILeasesOptions) {
    const { api, now } = _options;
    this.model = new LeaseModel({
      askLive: () => api.live(),
      askQuota: () => api.quota(),
      askEnded: cursor => api.ended(cursor),
      askAudit: cursor => api.audit(cursor),
      now
    });
    this._poll = new Poll<void>({
      name: 'jupyter-gpuctl:leases',
      factory: () => this._ask(),
      frequency: this._frequency(),
      standby: () => !this._isWanted()
    });
    this.model.changed.connect(() => {
      this._onChanged();
    });
  }

  readonly model: LeaseModel;

  /** Emitted each second while something counts down, and after each change. */
  get ticked(): ISignal<this, void> {
    return this._ticked;
  }

  /** Emitted when a lease has started or ended by itself, or by somebody else. */
  get turned(): ISignal<this, ITurn> {
    return this._turned;
  }

  /** Something has changed at the authority, or somebody has begun to look: ask now. */
  refresh(): void {
    this._poll.frequency = this._frequency();
    if (this._gathering === null) {
      this._gathering = setTimeout(() => {
        this._gathering = null;
        void this._poll.refresh();
      }, GATHER);
    }
  }

  /** The ends that somebody else tells of now. */
  get endsLeft(): ReadonlySet<string> {
    return this._endsLeft;
  }

  /** Emitted when these have changed. */
  get endsLeftChanged(): ISignal<this, void> {
    return this._endsLeftChanged;
  }

  leaveEnds(leases: ReadonlySet<string>): void {
    if (leases.size + this._endsLeft.size > 0) {
      this._endsLeft = leases;
      this._endsLeftChanged.emit();
    }
  }

  preview(body: LeaseRequestBody): Promise<PreviewAnswer> {
    return this._options.api.preview(body);
  }

  async request(body: LeaseRequestBody, key: string): Promise<LeaseAnswer> {
    const lease = await this._options.api.request(body, key);
    this._take(lease);
    return lease;
  }

  /** By `by`, such as `1h`. */
  extend(lease: LeaseAnswer, by: string): Promise<LeaseAnswer> {
    return this._change(lease, () =>
      this._options.api.change(lease.id, { extend: by })
    );
  }

  accept(lease: LeaseAnswer): Promise<LeaseAnswer> {
    return this._change(lease, () =>
      this._options.api.change(lease.id, { accept: true })
    );
  }

  /** Release, cancel or decline one's own; revoke another's, with a reason. */
  async end(lease: LeaseAnswer, reason?: string): Promise<LeaseAnswer> {
    try {
      return await this._change(lease, () =>
        this._options.api.end(lease.id, reason)
      );
    } catch (refusal) {
      if (!lease.mine && refusal instanceof ApiError) {
        // Who may end another's may have changed: that is to be known before it is told.
        await this.model.refresh().catch(() => undefined);
      }
      throw refusal;
    }
  }

  dispose(): void {
    this._poll.dispose();
    clearTimeout(this._gathering ?? undefined);
    clearInterval(this._ticker ?? undefined);
    Signal.clearData(this);
  }

  private async _change(
    lease: LeaseAnswer,
    call: () => Promise<LeaseAnswer>
  ): Promise<LeaseAnswer> {
    try {
      const answer = await this.model.during(lease.id, call);
      this._take(answer);
      return answer;
    } catch (reason) {
      // It may be otherwise than what was shown: gone, accepted elsewhere, revoked.
      this.refresh();
      throw reason;
    }
  }

  private _take(lease: LeaseAnswer): void {
    this._known.delete(lease.id);
    if (lease.mine && lease.status !== 'ended') {
      this._known.set(lease.id, lease);
    }
    this.model.take(lease);
    this.refresh();
    if (lease.status === 'ended') {
      void this._renewHistory();
    }
  }

  private async _ask(): Promise<void> {
    await this.model.refresh();
    await this._notice();
    await this.model.log.renew();
  }

  /** Compare one's own leases with what was known of them, and tell what has turned. */
  private async _notice(): Promise<void> {
    const { active, offered, queued } = this.model.state.rows;
    const mine = [...active, ...offered, ...queued];
    const before = this._known;
    this._known = new Map(mine.map(lease => [lease.id, lease]));
    for (const lease of active) {
      const status = before.get(lease.id)?.status;
      if (status === 'queued' || status === 'offered') {
        this._turned.emit({ kind: 'started', lease });
      }
    }
    const gone = [...before.keys()].filter(id => !this._known.has(id));
    for (const id of gone) {
      await this._tellEnd(id);
    }
    if (gone.length > 0) {
      await this._renewHistory();
    }
  }

  private async _renewHistory(): Promise<void> {
    if (this.model.history.state.phase !== 'unasked') {
      await this.model.history.load(false);
    }
  }

  private async _tellEnd(id: string): Promise<void> {
    try {
      const lease = await this._options.api.one(id);
      if (lease.status === 'ended') {
        this._turned.emit({ kind: 'ended', lease });
      }
    } catch (reason) {
      if (!(reason instanceof ApiError || reason instanceof ServerAway)) {
        throw reason;
      }
      // Why it ended can't be learnt now; the history has it.
    }
  }

  private _isWanted(): boolean {
    return (
      this._options.isSeen() ||
      this.model.isConcerned ||
      // Once at the start: whether there is anything to be concerned of.
      this.model.state.phase === 'loading'
    );
  }

  private _frequency() {
    const seen = this._options.isSeen();
    return {
      interval: 1000 * (seen ? SEEN : UNSEEN),
      backoff: 2,
      max: 1000 * LONGEST
    };
  }

  private _onChanged(): void {
    const { active, offered } = this.model.state.rows;
    const counts = active.length + offered.length > 0;
    if (counts && this._ticker === null) {
      this._ticker = setInterval(() => {
        this._tick();
      }, 1000);
    } else if (!counts && this._ticker !== null) {
      clearInterval(this._ticker);
      this._ticker = null;
    }
    this._ticked.emit();
  }

  private _tick(): void {
    this._ticked.emit();
    // What has run out has become something else, and events can be missed.
    const { active, offered } = this.model.state.rows;
    const now = this.model.now();
    if ([...active, ...offered].some(lease => endOf(lease) <= now)) {
      this.refresh();
    }
  }

  private _known = new Map<string, LeaseAnswer>();
  private _endsLeft: ReadonlySet<string> = new Set();
  private readonly _endsLeftChanged = new Signal<this, void>(this);
  private _gathering: ReturnType<typeof setTimeout> | null = null;
  private _ticker: ReturnType<typeof setInterval> | null = null;
  private readonly _poll: Poll<void>;
  private readonly _ticked = new Signal<this, void>(this);
  private readonly _turned = new Signal<this, ITurn>(this);
}
