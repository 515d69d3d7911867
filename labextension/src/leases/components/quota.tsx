/** Quotas: each a name, a value in words, when it resets, and a bar for the eye. */

import * as React from 'react';

import { gaugeTexts } from '../gauges';
import type { ILeaseContext } from './context';

export function Quota(props: {
  context: ILeaseContext;
}): React.JSX.Element | null {
  const { words, state, now } = props.context;
  const gauges = gaugeTexts(state.quota?.gauges ?? [], now, words);
  if (gauges.length === 0) {
    return null;
  }
  return (
    <ul className="gpuctl-Quota" aria-label={words.__('My quota')}>
      {gauges.map(gauge => (
        <li
          key={gauge.name}
          className="gpuctl-Gauge"
          data-full={gauge.isFull}
          title={[`${gauge.name}: ${gauge.value}`, gauge.reset, gauge.hint]
            .filter(Boolean)
            .join('\n')}
        >
          <span className="gpuctl-Gauge-name">{gauge.name}</span>
          <span className="gpuctl-Gauge-value">{gauge.value}</span>
          <span className="gpuctl-Meter-bar" aria-hidden="true">
            <span style={{ width: `${gauge.part * 100}%` }} />
          </span>
          {gauge.reset && (
            <span className="gpuctl-Gauge-reset">{gauge.reset}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
