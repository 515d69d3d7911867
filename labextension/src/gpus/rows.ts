/** Pure rules: from an answer to the lines that the panel shows. */

import { baseName, type Words } from '../format';
import type {
  Device,
  DeviceReading,
  GpuProcess,
  KernelReading,
  Sample
} from '../wire';

export interface IDeviceRow {
  readonly device: Device;
  /** `null`: not in the newest sample. */
  readonly reading: DeviceReading | null;
  /** A MIG instance, shown under its parent. */
  readonly isInstance: boolean;
  /** `0`, or `0:3` for MIG instance 3 of GPU 0. */
  readonly number: string;
  /** `GPU 0`, `GPU 0, MIG 3`. */
  readonly label: string;
}

/** The devices in the server's order, each MIG instance right after its GPU. */
export function deviceRows(
  devices: readonly Device[],
  sample: Sample | null,
  words: Words
): IDeviceRow[] {
  const known = new Map(devices.map(device => [device.uuid, device]));
  const readings = new Map(
    sample?.devices.map(reading => [reading.uuid, reading])
  );
  const row = (device: Device): IDeviceRow => {
    const parent = known.get(device.mig_parent ?? '');
    const own = device.index ?? '?';
    const number = parent ? `${parent.index ?? '?'}:${own}` : `${own}`;
    return {
      device,
      reading: readings.get(device.uuid) ?? null,
      isInstance: device.mig_parent != null,
      number,
      label: parent
        ? words.__('GPU %1, MIG %2', parent.index ?? '?', own)
        : words.__('GPU %1', own)
    };
  };
  const instances = new Map<string, IDeviceRow[]>();
  const tops: Device[] = [];
  for (const device of devices) {
    if (device.mig_parent && known.has(device.mig_parent)) {
      const siblings = instances.get(device.mig_parent) ?? [];
      siblings.push(row(device));
      instances.set(device.mig_parent, siblings);
    } else {
      tops.push(device);
    }
  }
  return tops.flatMap(top => [row(top), ...(instances.get(top.uuid) ?? [])]);
}

/** The rows that work can run on: whole GPUs, and the instances of split ones. */
export function usable(rows: readonly IDeviceRow[]): IDeviceRow[] {
  const parents = new Set(rows.map(row => row.device.mig_parent));
  return rows.filter(
    ({ device }) => !device.mig_enabled && !parents.has(device.uuid)
  );
}

export type Occupancy = 'free' | 'used' | 'unknown' | 'broken';

const GIB = 1024 ** 3;

/**
 * Whether anything runs on the device.
 *
 * Drivers keep some memory for themselves, and in a container they may hide the processes of
 * others: so a device without processes is free only if its memory and its load say so too.
 */
export function occupancy({ device, reading }: IDeviceRow): Occupancy {
  if (!reading) {
    return 'unknown';
  }
  if (reading.status !== 'ok') {
    return 'broken';
  }
  if (reading.processes?.length) {
    return 'used';
  }
  const { memory_used: memory, utilization } = reading;
  if (reading.processes === null && memory === null && utilization === null) {
    return 'unknown';
  }
  // On unified memory, what is used is the host's.
  const idleMemory = device.unified_memory
    ? Infinity
    : Math.max(GIB, 0.02 * (device.memory_total ?? 0));
  return (memory ?? 0) > idleMemory || (utilization ?? 0) >= 5
    ? 'used'
    : 'free';
}

/** Whether nothing runs there. On simulated devices nothing does, whatever is shown. */
export function isIdle(row: IDeviceRow): boolean {
  const state = occupancy(row);
  return state === 'free' || (state === 'used' && row.device.simulated);
}

/** The processes of one notebook (or of one stranger) on one device. */
export interface IProcessGroup {
  readonly key: string;
  readonly title: string;
  /** The notebook's path, where it is known. */
  readonly path: string | null;
  readonly kernelId: string | null;
  readonly user: string | null;
  /** Bytes; `null` where the driver tells of none of them. */
  readonly memory: number | null;
  readonly pids: readonly number[];
  /** Why nobody is named. */
  readonly unattributed: string | null;
}

/** Those with an owner first, then by title: an order that doesn't jump with the load. */
export function processGroups(
  processes: readonly GpuProcess[],
  words: Words
): IProcessGroup[] {
  const groups = new Map<string, IProcessGroup>();
  for (const process of processes) {
    const next = describe(process, words);
    const group = groups.get(next.key);
    groups.set(
      next.key,
      group
        ? {
            ...group,
            pids: [...group.pids, process.pid],
            memory:
              group.memory === null && process.memory === null
                ? null
                : (group.memory ?? 0) + (process.memory ?? 0)
          }
        : next
    );
  }
  return [...groups.values()].sort(
    (a, b) =>
      Number(a.user === null) - Number(b.user === null) ||
      a.title.localeCompare(b.title) ||
      (a.key < b.key ? -1 : 1)
  );
}

function describe(process: GpuProcess, words: Words): IProcessGroup {
  const { pid, name, memory, owner } = process;
  const base = {
    path: owner?.notebook ?? null,
    kernelId: owner?.kernel_id ?? null,
    user: owner?.user ?? null,
    memory,
    pids: [pid],
    unattributed: owner ? null : (process.unattributed ?? '')
  };
  const program = name ?? words.__('process %1', pid);
  if (!owner) {
    const where = process.container ?? '';
    return {
      ...base,
      key: `? ${program} ${where} ${base.unattributed}`,
      title: program
    };
  }
  const holder = owner.kernel_id ?? owner.notebook ?? owner.workload_id;
  if (!holder) {
    return { ...base, key: `u ${owner.user} ${program}`, title: program };
  }
  return {
    ...base,
    key: `o ${holder}`,
    title: owner.notebook
      ? baseName(owner.notebook)
      : (owner.workload_id ?? words.__('kernel without a notebook'))
  };
}

export interface IKernelRow {
  readonly kernel: KernelReading;
  readonly title: string;
  /** The devices it computes on. */
  readonly devices: readonly IDeviceRow[];
  /** Bytes over all its devices; `null` where not told. */
  readonly gpuMemory: number | null;
}

/** The kernels of this server by title, each with the devices it is seen on. */
export function kernelRows(
  sample: Sample | null,
  rows: readonly IDeviceRow[],
  words: Words
): IKernelRow[] {
  return (sample?.kernels ?? [])
    .map(kernel => {
      const own = (row: IDeviceRow) =>
        (row.reading?.processes ?? []).filter(
          process => process.owner?.kernel_id === kernel.kernel_id
        );
      const devices = rows.filter(row => own(row).length > 0);
      const memories = devices
        .flatMap(own)
        .flatMap(({ memory }) => (memory === null ? [] : [memory]));
      return {
        kernel,
        title: kernel.notebook
          ? baseName(kernel.notebook)
          : words.__('%1 without a notebook', kernel.name),
        devices,
        gpuMemory: memories.length
          ? memories.reduce((sum, memory) => sum + memory, 0)
          : null
      };
    })
    .sort(
      (a, b) =>
        a.title.localeCompare(b.title) ||
        (a.kernel.kernel_id < b.kernel.kernel_id ? -1 : 1)
    );
}
