/** An opened device: ten minutes, every figure, and who is on it. */

import * as React from 'react';

import {
  bytes,
  bytesOf,
  notAvailable,
  percent,
  temperature,
  watts
} from '../../format';
import { SPAN, type Column } from '../history';
import { processGroups, type IDeviceRow, type IProcessGroup } from '../rows';
import { plotSummary } from '../sentences';
import type { IPanelContext } from './context';
import { Holder } from './holder';
import { Plot } from './plot';

interface IDetailProps {
  readonly context: IPanelContext;
  readonly row: IDeviceRow;
}

export function DeviceDetail(props: IDetailProps): React.JSX.Element {
  const { context, row } = props;
  const { device, reading } = row;
  const { words, history } = context;
  const columns = history.device(device.uuid);
  return (
    <div className="gpuctl-Detail">
      {reading?.problem && (
        <p className="gpuctl-Detail-problem">{reading.problem}</p>
      )}
      <LongPlot
        context={context}
        title={words.__('Utilisation')}
        values={columns?.utilization ?? []}
        newest={percent(reading?.utilization ?? null, words)}
        ink="utilization"
        max={100}
        format={value => percent(value, words)}
      />
      <LongPlot
        context={context}
        title={words.__('Memory')}
        values={columns?.memory ?? []}
        newest={bytesOf(
          reading?.memory_used ?? null,
          device.memory_total,
          words
        )}
        ink="memory"
        max={device.memory_total ?? Math.max(1, reading?.memory_used ?? 0)}
        format={value => bytes(value, words)}
      />
      <Values context={context} row={row} />
      <Processes context={context} row={row} />
    </div>
  );
}

function LongPlot(props: {
  context: IPanelContext;
  title: string;
  values: Column;
  newest: string;
  ink: 'utilization' | 'memory';
  max: number;
  format: (value: number | null) => string;
}): React.JSX.Element {
  const { context, title, values, newest, ink, max, format } = props;
  const { words, history, version } = context;
  const [pointed, setPointed] = React.useState('');
  if (values.every(value => value === null)) {
    return (
      <div className="gpuctl-LongPlot">
        <div className="gpuctl-LongPlot-title">
          <span>{title}</span>
          <span>{notAvailable(words)}</span>
        </div>
      </div>
    );
  }
  return (
    <div className="gpuctl-LongPlot">
      <div className="gpuctl-LongPlot-title">
        <span className="gpuctl-Key" data-ink={ink} />
        <span>{title}</span>
        <span>{pointed || newest}</span>
      </div>
      <Plot
        className="gpuctl-LongPlot-plot"
        label={plotSummary(
          title,
          values,
          words.__('10 minutes'),
          format,
          words
        )}
        times={history.times}
        values={values}
        ink={ink}
        max={max}
        span={SPAN}
        version={version}
        axes={{ format, onReadout: setPointed }}
      />
      <div className="gpuctl-LongPlot-ends" aria-hidden="true">
        <span>{words.__('10 min ago')}</span>
        <span>{words.__('now')}</span>
      </div>
    </div>
  );
}

function Values({ context, row }: IDetailProps): React.JSX.Element {
  const { words } = context;
  const { device, reading } = row;
  const rate = (value: number) => words.__('%1/s', bytes(value, words));
  const rx = reading?.pcie_rx ?? null;
  const tx = reading?.pcie_tx ?? null;
  const limit = reading?.power_limit ?? null;
  const values: [string, string][] = [
    [words.__('Temperature'), temperature(reading?.temperature ?? null, words)],
    [
      words.__('Power'),
      limit === null
        ? watts(reading?.power ?? null, words)
        : words.__(
            '%1 of %2',
            watts(reading?.power ?? null, words),
            watts(limit, words)
          )
    ]
  ];
  if (rx !== null || tx !== null) {
    values.push(
      [words.__('From host'), rx === null ? notAvailable(words) : rate(rx)],
      [words.__('To host'), tx === null ? notAvailable(words) : rate(tx)]
    );
  }
  values.push([words.__('Model'), device.name]);
  if (device.unified_memory) {
    values.push([words.__('Memory kind'), words.__('shared with the host')]);
  }
  values.push([words.__('UUID'), device.uuid]);
  return (
    <dl className="gpuctl-Values">
      {values.map(([name, value]) => (
        <React.Fragment key={name}>
          <dt>{name}</dt>
          <dd title={value}>{value}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

function Processes({ context, row }: IDetailProps): React.JSX.Element {
  const { words } = context;
  const processes = row.reading?.processes ?? null;
  if (processes === null) {
    return (
      <p className="gpuctl-Detail-note">
        {words.__(
          'The driver doesn’t tell which processes are on this device.'
        )}
      </p>
    );
  }
  if (processes.length === 0) {
    return (
      <p className="gpuctl-Detail-note">
        {words.__('No process is on this device.')}
      </p>
    );
  }
  return (
    <ul
      className="gpuctl-Processes"
      aria-label={words.__('Processes on %1, by notebook', row.label)}
    >
      {processGroups(processes, words).map(group => (
        <ProcessLine key={group.key} context={context} group={group} />
      ))}
    </ul>
  );
}

function ProcessLine(props: {
  context: IPanelContext;
  group: IProcessGroup;
}): React.JSX.Element {
  const { context, group } = props;
  const { words } = context;
  const pids = group.pids.join(', ');
  const about =
    group.unattributed !== null
      ? group.unattributed || words.__('owner not known')
      : context.isHere(group.kernelId)
        ? words._n('%1 process', '%1 processes', group.pids.length)
        : (group.user ?? '');
  return (
    <li className="gpuctl-Process" data-attributed={group.user !== null}>
      <Holder
        context={context}
        title={group.title}
        path={group.path}
        kernelId={group.kernelId}
      />
      <span className="gpuctl-Process-memory">
        {bytes(group.memory, words)}
      </span>
      <span
        className="gpuctl-Process-about"
        title={words.__('%1 (pid %2)', about, pids)}
      >
        {about}
      </span>
    </li>
  );
}
