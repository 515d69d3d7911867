/** The kernel wing's parts, joined: state, when to ask, and what can be called. */

import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { ILeases } from '../tokens';
import type { KernelAnswer, OverAnswer } from '../wire';
import type { IKernelApi } from './api';
import { KernelModel } from './model';

/** Seconds between two questions while somebody looks or holds something. */
const INTERVAL = 10;

/** Seconds at most between two tries while the server is away. */
const LONGEST = 30;

/** Milliseconds in which events that come together are one. */
const GATHER = 50;

export interface IKernelsOptions {
  readonly api: IKernelApi;
  readonly leases: ILeases;
  /** Whether a person could see kernels in the panel now. */
  readonly isSeen: () => boolean;
}

export class Kernels {
  constructor(private readonly _options: IKernelsOptions) {
    this.model = new KernelModel(() => _options.api.kernels());
    this._poll = new Poll<void>({
      name: 'jupyter-gpuctl:kernels',
      factory: () => {
        this._isDue = false;
        return this.model.refresh();
      },
      frequency: { interval: 1000 * INTERVAL, backoff: 2, max: 1000 * LONGEST },
      standby: () => !this._isWanted()
    });
    this.model.changed.connect(() => {
      this._leaveEnds();
      this._changed.emit();
    });
    _options.leases.ticked.connect(() => {
      this._changed.emit();
    });
  }

  readonly model: KernelModel;

  /** Emitted each second while a lease counts down, and after each change. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get leases(): ILeases {
    return this._options.leases;
  }

  /** Leases whose owner was reminded that nothing runs on them. */
  readonly reminded = new Set<string>();

  /** Something may have changed: ask now, whoever looks. */
  refresh(): void {
    this._isDue = true;
    if (this._gathering === null) {
      this._gathering = setTimeout(() => {
        this._gathering = null;
        void this._poll.refresh();
      }, GATHER);
    }
  }

  attach(kernelId: string, leaseId: string): Promise<KernelAnswer> {
    return this._change(kernelId, () =>
      this._options.api.attach(kernelId, leaseId)
    );
  }

  detach(kernelId: string): Promise<KernelAnswer> {
    return this._change(kernelId, () => this._options.api.detach(kernelId));
  }

  async keep(leaseId: string): Promise<void> {
    await this._options.api.keep(leaseId);
    this.reminded.delete(leaseId);
    this.refresh();
  }

  private async _change(
    id: string,
    call: () => Promise<KernelAnswer>
  ): Promise<KernelAnswer> {
    try {
      const answer = await this.model.during(id, call);
      this.model.take(answer);
      return answer;
    } finally {
      this._options.leases.refresh();
      this.refresh();
    }
  }

  private _isWanted(): boolean {
    return (
      this._isDue ||
      // What counts down does so on the server.
      this.model.state.findings.length + this.model.state.idle.length > 0 ||
      this._options.isSeen() ||
      this._over().length > 0 ||
      this._options.leases.model.isConcerned
    );
  }

  /** Kernels that go on after the end of their lease. */
  private _over(): OverAnswer[] {
    return [...this.model.state.kernels.values()].flatMap(
      ({ over }) => over ?? []
    );
  }

  /** The ends that are told here, with what they mean for a kernel; and count down. */
  private _leaveEnds(): void {
    const over = this._over();
    this._options.leases.leaveEnds(
      new Set(over.flatMap(({ lease_id: id }) => id ?? []))
    );
    const counts = over.some(({ stops_at: at }) => at !== null);
    if (counts && this._ticker === null) {
      this._ticker = setInterval(() => {
        this._changed.emit();
      }, 1000);
    } else if (!counts && this._ticker !== null) {
      clearInterval(this._ticker);
      this._ticker = null;
    }
  }

  /** Once at the start: whether there is anything to be concerned of. */
  private _isDue = true;
  private _ticker: ReturnType<typeof setInterval> | null = null;
  private _gathering: ReturnType<typeof setTimeout> | null = null;
  private readonly _poll: Poll<void>;
  private readonly _changed = new Signal<this, void>(this);
}
