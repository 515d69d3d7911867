/** The machine around the GPUs: its processors, memory, disk, and this server's limits. */

import * as React from 'react';

import { bytes, bytesOf, cores, percent, type Words } from '../../format';
import type { HostReading } from '../../wire';

export function Machine(props: {
  words: Words;
  host: HostReading;
}): React.JSX.Element {
  const { words, host } = props;
  const { limits, home } = host;
  return (
    <ul className="gpuctl-Meters">
      <Meter
        name={words.__('CPU')}
        value={words._n(
          '%2 of %1 core',
          '%2 of %1 cores',
          host.cpu_count,
          percent(host.cpu_utilization, words)
        )}
        part={(host.cpu_utilization ?? 0) / 100}
      />
      <Meter
        name={words.__('Memory')}
        value={bytesOf(host.memory_used, host.memory_total, words)}
        part={share(host.memory_used, host.memory_total)}
      />
      {limits && limits.memory_limit !== null && (
        <Meter
          name={words.__('Server’s limit')}
          hint={words.__(
            'Memory that this server and its kernels may use together. Beyond it the system ends a process.'
          )}
          value={bytesOf(limits.memory_used, limits.memory_limit, words)}
          part={share(limits.memory_used, limits.memory_limit)}
        />
      )}
      {limits && limits.cpu_limit !== null && (
        <Meter
          name={words.__('CPU limit')}
          hint={words.__('Cores that this server and its kernels may use.')}
          value={words._n(
            '%2 core',
            '%2 cores',
            limits.cpu_limit,
            cores(limits.cpu_limit)
          )}
        />
      )}
      {limits && limits.pids_limit !== null && (
        <Meter
          name={words.__('Processes')}
          hint={words.__(
            'Processes and threads that this server and its kernels may have.'
          )}
          value={`${limits.pids_used ?? words.__('n/a')} / ${limits.pids_limit}`}
          part={share(limits.pids_used, limits.pids_limit)}
        />
      )}
      {home && (
        <Meter
          name={words.__('Home disk')}
          hint={words.__('%1, %2 free', home.path, bytes(home.free, words))}
          value={bytesOf(home.used, home.total, words)}
          part={share(home.used, home.total)}
        />
      )}
    </ul>
  );
}

function share(used: number | null, total: number | null): number {
  return used === null || !total ? 0 : used / total;
}

/** A name, a value in words, and a bar for the eye. */
function Meter(props: {
  name: string;
  value: string;
  hint?: string;
  /** 0 to 1; no bar where there is no whole to be a part of. */
  part?: number;
}): React.JSX.Element {
  const { name, value, hint, part } = props;
  return (
    <li className="gpuctl-Meter" title={hint}>
      <span className="gpuctl-Meter-name">{name}</span>
      <span className="gpuctl-Meter-value">{value}</span>
      <span className="gpuctl-Meter-bar" aria-hidden="true">
        {part !== undefined && (
          <span
            style={{ width: `${Math.min(100, Math.max(0, part * 100))}%` }}
          />
        )}
      </span>
    </li>
  );
}
