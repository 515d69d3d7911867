/** What is known of leases and quotas. No DOM, no HTTP, no clock of its own. */

import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, ServerAway } from '../errors';
import type {
  AuditAnswer,
  AuditsAnswer,
  LeaseAnswer,
  LeasesAnswer,
  QuotaAnswer
} from '../wire';
import { Pages } from './pages';
import { leaseRows, NO_ROWS, type ILeaseRows } from './rows';
import { at } from './times';

/**
 * - `loading`: nothing has come yet
 * - `live`: the newest answer is what is shown
 * - `away`: the server, or its store, doesn't answer; what is shown is old
 * - `refused`: the server answers, but has no leases to tell of
 */
export type Phase = 'loading' | 'live' | 'away' | 'refused';

export interface ILeaseState {
  readonly phase: Phase;
  readonly rows: ILeaseRows;
  readonly quota: QuotaAnswer | null;
  /** Why it was refused. */
  readonly problem: ApiError | null;
  /** When the newest answer came, in milliseconds of the authority's clock. */
  readonly receivedAt: number | null;
  /** Ids of leases that an unfinished call is about. */
  readonly busy: ReadonlySet<string>;
}

export interface IModelOptions {
  readonly askLive: () => Promise<LeasesAnswer>;
  readonly askQuota: () => Promise<QuotaAnswer>;
  readonly askEnded: (cursor: string | undefined) => Promise<LeasesAnswer>;
  readonly askAudit: (cursor: string | undefined) => Promise<AuditsAnswer>;
  /** Milliseconds; the browser's clock. */
  readonly now: () => number;
}

/** Milliseconds by which the two clocks may seem to differ because answers travel. */
const JITTER = 1500;

export class LeaseModel {
  constructor(private readonly _options: IModelOptions) {
    const changed = () => {
      this._changed.emit();
    };
    this.history = new Pages(_options.askEnded, changed);
    this.log = new Pages(_options.askAudit, changed);
  }

  /** Ended leases. */
  readonly history: Pages<LeaseAnswer>;

  /** The audit. */
  readonly log: Pages<AuditAnswer>;

  get state(): ILeaseState {
    return this._state;
  }

  /** Emitted after each answer, after each failure, and when a call begins or ends. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The authority's clock, in milliseconds. */
  now(): number {
    return this._options.now() + this._skew;
  }

  /** Whether the caller holds or waits for something. */
  get isConcerned(): boolean {
    const { active, offered, queued } = this._state.rows;
    return active.length + offered.length + queued.length > 0;
  }

  /**
   * Ask once and take the answers in.
   *
   * Rejects when there was none, after the state has been changed to say so: whoever polls can
   * slow down.
   */
  async refresh(): Promise<void> {
    const turn = ++this._turn;
    try {
      const asked = this._options.now();
      const [leases, quota] = await Promise.all([
        this._options.askLive(),
        this._options.askQuota()
      ]);
      // Overtaken by the answer to a later question, this one is old.
      if (turn > this._taken) {
        this._taken = turn;
        this._follow(leases.time, asked);
        this._set({
          phase: 'live',
          rows: leaseRows(leases.items),
          quota,
          problem: null,
          receivedAt: this.now()
        });
      }
    } catch (reason) {
      if (turn > this._taken) {
        this._fail(reason);
      }
      throw reason;
    }
  }

  /** Show what a call has answered, before the next refresh tells the rest. */
  take(lease: LeaseAnswer): void {
    // What was asked before this is older than what is known now.
    this._taken = ++this._turn;
    const { held, waiting } = this._state.rows;
    const others = [...held, ...waiting].filter(({ id }) => id !== lease.id);
    const live = lease.status === 'ended' ? others : [...others, lease];
    this._set({ rows: leaseRows(live) });
  }

  /** Mark a lease while a call about it runs. */
  async during<T>(id: string, call: () => Promise<T>): Promise<T> {
    this._set({ busy: new Set([...this._state.busy, id]) });
    try {
      return await call();
    } finally {
      const busy = new Set(this._state.busy);
      busy.delete(id);
      this._set({ busy });
    }
  }

  private _follow(time: string, asked: number): void {
    // Half of the way was after the authority looked at its clock.
    const skew = at(time) - (asked + this._options.now()) / 2;
    if (Math.abs(skew - this._skew) > JITTER) {
      this._skew = skew;
    }
  }

  private _fail(reason: unknown): void {
    if (reason instanceof ApiError) {
      // The store may be back soon, and leases go on meanwhile: what was known stays, as old.
      const known = this._state.quota !== null && reason.status >= 500;
      this._set({
        problem: reason,
        ...(known
          ? { phase: 'away' }
          : {
              phase: 'refused',
              rows: NO_ROWS,
              quota: null,
              receivedAt: null
            })
      });
    } else if (reason instanceof ServerAway) {
      this._set({ phase: 'away', problem: null });
    }
  }

  private _set(changes: Partial<ILeaseState>): void {
    this._state = { ...this._state, ...changes };
    this._changed.emit();
  }

  private _state: ILeaseState = {
    phase: 'loading',
    rows: NO_ROWS,
    quota: null,
    problem: null,
    receivedAt: null,
    busy: new Set()
  };
  private _skew = 0;
  private _turn = 0;
  private _taken = 0;
  private readonly _changed = new Signal<this, void>(this);
}
