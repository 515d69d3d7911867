/** The last ten minutes of every device, column by column, as plots want them. */

import type { Sample } from '../wire';

export type Column = (number | null)[];

export interface IDeviceColumns {
  /** Percent. */
  readonly utilization: Column;
  /** Bytes. */
  readonly memory: Column;
}

export interface IHostColumns {
  /** Percent of all cores. */
  readonly cpu: Column;
  /** Bytes. */
  readonly memory: Column;
}

/** What the panel draws: ten minutes, in seconds. */
export const SPAN = 600;

/**
 * Seconds without a sample after which a line is broken. The server slows down to one sample in
 * ten seconds while nobody looks, and thins old ones to that.
 */
const GAP = 45;

/** Grows with each sample, forgets what is older than {@link SPAN}. */
export class History {
  /** Unix times in seconds, rising. All columns are as long as this. */
  readonly times: number[] = [];
  readonly host: IHostColumns = { cpu: [], memory: [] };

  /** The newest sample that was taken in; 0 for none. */
  get seq(): number {
    return this._seq;
  }

  /** The columns of one device; `undefined` before its first sample. */
  device(uuid: string): IDeviceColumns | undefined {
    return this._devices.get(uuid);
  }

  append(samples: readonly Sample[]): void {
    for (const sample of samples) {
      this._append(sample);
    }
    this._forget();
  }

  clear(): void {
    this._seq = 0;
    this._devices.clear();
    for (const column of [this.times, this.host.cpu, this.host.memory]) {
      column.length = 0;
    }
  }

  private _append(sample: Sample): void {
    const time = Date.parse(sample.time) / 1000;
    const last = this.times[this.times.length - 1];
    if (last !== undefined && time <= last) {
      // The server's clock was set back: lines that run backwards would lie.
      if (sample.seq <= this._seq) {
        return;
      }
      this.clear();
    } else if (last !== undefined && time - last > GAP) {
      this._row(last + 1, null);
    }
    this._row(time, sample);
    this._seq = sample.seq;
  }

  private _row(time: number, sample: Sample | null): void {
    const before = this.times.length;
    this.times.push(time);
    this.host.cpu.push(sample?.host.cpu_utilization ?? null);
    this.host.memory.push(sample?.host.memory_used ?? null);
    for (const reading of sample?.devices ?? []) {
      let columns = this._devices.get(reading.uuid);
      if (!columns) {
        columns = {
          utilization: new Array<null>(before).fill(null),
          memory: new Array<null>(before).fill(null)
        };
        this._devices.set(reading.uuid, columns);
      }
      columns.utilization.push(reading.utilization);
      columns.memory.push(reading.memory_used);
    }
    for (const { utilization, memory } of this._devices.values()) {
      if (utilization.length === before) {
        utilization.push(null);
        memory.push(null);
      }
    }
  }

  private _forget(): void {
    const { times, host } = this;
    const oldest = (times[times.length - 1] ?? 0) - SPAN;
    // One sample older than the span stays, so that the line enters from the edge.
    let count = 0;
    while ((times[count + 1] ?? Infinity) <= oldest) {
      count += 1;
    }
    if (count === 0) {
      return;
    }
    for (const column of [times, host.cpu, host.memory]) {
      column.splice(0, count);
    }
    for (const [uuid, { utilization, memory }] of this._devices) {
      utilization.splice(0, count);
      memory.splice(0, count);
      if (
        memory.every(value => value === null) &&
        utilization.every(value => value === null)
      ) {
        this._devices.delete(uuid);
      }
    }
  }

  private _seq = 0;
  private readonly _devices = new Map<string, IDeviceColumns>();
}
