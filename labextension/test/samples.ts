/** Answers of the server, built from what a test cares about. */

import type {
  Device,
  DeviceReading,
  Driver,
  GpuProcess,
  GpusAnswer,
  KernelReading,
  Sample
} from '../src/wire';

export const GIB = 1024 ** 3;

export function device(index: number, changes: Partial<Device> = {}): Device {
  return {
    uuid: `GPU-${index}`,
    index,
    name: 'NVIDIA H200',
    memory_total: 141 * GIB,
    mig_parent: null,
    mig_enabled: false,
    unified_memory: false,
    simulated: false,
    ...changes
  };
}

export function reading(
  uuid: string,
  changes: Partial<DeviceReading> = {}
): DeviceReading {
  return {
    uuid,
    status: 'ok',
    problem: null,
    utilization: 0,
    memory_used: 0,
    temperature: 34,
    power: 74,
    power_limit: 700,
    pcie_rx: null,
    pcie_tx: null,
    processes: [],
    ...changes
  };
}

export function process(
  pid: number,
  changes: Partial<GpuProcess> = {}
): GpuProcess {
  return {
    pid,
    name: 'python',
    memory: GIB,
    owner: null,
    unattributed: 'It runs outside this server.',
    container: null,
    ...changes
  };
}

export function owned(
  pid: number,
  notebook: string,
  changes: Partial<GpuProcess> = {}
): GpuProcess {
  return process(pid, {
    owner: {
      user: 'user-a',
      notebook,
      kernel_id: `kernel of ${notebook}`,
      workload_id: null
    },
    unattributed: null,
    ...changes
  });
}

export function kernel(
  notebook: string,
  changes: Partial<KernelReading> = {}
): KernelReading {
  return {
    kernel_id: `kernel of ${notebook}`,
    name: 'python3',
    notebook,
    kind: 'notebook',
    state: 'idle',
    memory: GIB,
    cpu: 0,
    processes: 1,
    ...changes
  };
}

/** A sample taken `seq` seconds after a fixed time. */
export function sample(seq: number, changes: Partial<Sample> = {}): Sample {
  return {
    seq,
    time: new Date(1_800_000_000_000 + seq * 1000).toISOString(),
    devices: [],
    kernels: [],
    host: {
      cpu_utilization: 10,
      cpu_count: 2,
      memory_used: GIB,
      memory_total: 8 * GIB,
      limits: null,
      home: null
    },
    ...changes
  };
}

export function driver(status: Driver['status'] = 'ok'): Driver {
  return {
    status,
    probe: 'nvml',
    version: '580.65.06',
    cuda_version: '13.0',
    message: '',
    hint: ''
  };
}

export function answerWith(
  samples: Sample[],
  changes: Partial<GpusAnswer> = {}
): GpusAnswer {
  const newest = samples[samples.length - 1];
  return {
    seq: newest?.seq ?? 0,
    time: newest?.time ?? new Date(0).toISOString(),
    interval: 1,
    driver: driver(),
    warnings: [],
    devices: [],
    samples,
    ...changes
  };
}
