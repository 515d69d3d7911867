/** What a person can set, read safely from what the settings registry holds. */

export interface IShown {
  readonly devices: boolean;
  readonly leases: boolean;
  readonly kernels: boolean;
  readonly machine: boolean;
  readonly statusBar: boolean;
}

export interface IGpuSettings extends IShown {
  /** Seconds between two questions to the server while the panel is seen. */
  readonly interval: number;
}

export const DEFAULTS: IGpuSettings = {
  interval: 1,
  devices: true,
  leases: true,
  kernels: true,
  machine: true,
  statusBar: true
};

/** The schema's bounds; a settings file written by hand may go past them. */
const FASTEST = 0.5;
const SLOWEST = 60;

export function readSettings(
  composite: Readonly<Record<string, unknown>>
): IGpuSettings {
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = composite[name];
    return typeof value === 'boolean' ? value : otherwise;
  };
  const { interval } = composite;
  return {
    interval:
      typeof interval === 'number' && Number.isFinite(interval)
        ? Math.min(SLOWEST, Math.max(FASTEST, interval))
        : DEFAULTS.interval,
    devices: flag('showDevices', DEFAULTS.devices),
    leases: flag('showLeases', DEFAULTS.leases),
    kernels: flag('showKernels', DEFAULTS.kernels),
    machine: flag('showMachine', DEFAULTS.machine),
    statusBar: flag('showStatusBar', DEFAULTS.statusBar)
  };
}
