/** One device: two quiet lines, and everything else when opened. */

import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import {
  bytes,
  migProfile,
  percent,
  shortDeviceName,
  temperature,
  watts
} from '../../format';
import { isIdle, occupancy, processGroups, type IDeviceRow } from '../rows';
import { plotSummary } from '../sentences';
import type { IPanelContext } from './context';
import { DeviceDetail } from './device-detail';
import { Holder } from './holder';
import { Plot } from './plot';

/** Seconds that a small plot shows: short enough to see it move. */
const SHORT_SPAN = 120;

/** Holders named in the quiet line; the rest is counted. */
const NAMED = 2;

export interface IDeviceLineProps {
  readonly context: IPanelContext;
  readonly row: IDeviceRow;
  readonly openAtFirst: boolean;
  /** Whether the model is said here: not where all devices are of one. */
  readonly named: boolean;
}

export function DeviceLine(props: IDeviceLineProps): React.JSX.Element {
  const { context, row } = props;
  const { device, reading } = row;
  const { folds } = context;
  const key = `device:${device.uuid}`;
  const open = folds.isOpen(key, props.openAtFirst);
  const id = `gpuctl-device-${device.uuid}`;
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <li
      className={`gpuctl-Device ${row.isInstance ? 'gpuctl-mod-instance' : ''}`}
      data-uuid={device.uuid}
      data-state={occupancy(row)}
    >
      <div className="gpuctl-Device-grid">
        <button
          type="button"
          className="gpuctl-Fold gpuctl-Device-name"
          aria-expanded={open}
          aria-controls={id}
          aria-label={`${row.label}: ${device.name}`}
          title={`${row.label}: ${device.name}`}
          onClick={() => {
            folds.set(key, !open);
          }}
        >
          <Caret.react tag="span" className="gpuctl-Caret" />
          <span className="gpuctl-Device-number">{row.number}</span>
          {props.named && (
            <span className="gpuctl-Device-model">
              {shortDeviceName(device.name)}
            </span>
          )}
        </button>
        {reading && reading.status !== 'ok' ? (
          <span className="gpuctl-Device-problem">
            <Problem status={reading.status} context={context} />
          </span>
        ) : (
          <Figures context={context} row={row} />
        )}
        <div className="gpuctl-Device-last">
          <Holders context={context} row={row} />
          {context.parts.map((part, index) => (
            <React.Fragment key={index}>
              {part.device(row, isIdle(row))}
            </React.Fragment>
          ))}
        </div>
        <Heat context={context} row={row} />
      </div>
      <div id={id} hidden={!open}>
        {open && <DeviceDetail context={context} row={row} />}
      </div>
    </li>
  );
}

function Problem(props: {
  context: IPanelContext;
  status: string;
}): React.JSX.Element {
  const { words } = props.context;
  const text = {
    lost: words.__('lost'),
    unresponsive: words.__('does not answer'),
    error: words.__('error')
  }[props.status];
  return <>{words.__('⚠ %1', text ?? props.status)}</>;
}

/** Two small plots, each with its newest value. */
function Figures(props: {
  context: IPanelContext;
  row: IDeviceRow;
}): React.JSX.Element {
  const { context, row } = props;
  const { words, history, version } = context;
  const { device, reading } = row;
  const columns = history.device(device.uuid);
  const span = words.__('2 minutes');
  const recent = (values: readonly (number | null)[]) => {
    const end = history.times[history.times.length - 1] ?? 0;
    const start = history.times.findIndex(time => time > end - SHORT_SPAN);
    return start < 0 ? [] : values.slice(start);
  };
  const inPercent = (value: number | null) => percent(value, words);
  const inBytes = (value: number | null) => bytes(value, words);
  const load = reading?.utilization ?? null;
  const memory = reading?.memory_used ?? null;
  return (
    <>
      <Plot
        className="gpuctl-Device-util"
        label={plotSummary(
          words.__('Utilisation'),
          recent(columns?.utilization ?? []),
          span,
          inPercent,
          words
        )}
        times={history.times}
        values={columns?.utilization ?? []}
        ink="utilization"
        max={100}
        span={SHORT_SPAN}
        version={version}
      />
      <span className="gpuctl-Device-load" title={words.__('Utilisation')}>
        {inPercent(load)}
      </span>
      <Plot
        className="gpuctl-Device-mem"
        label={plotSummary(
          words.__('Memory'),
          recent(columns?.memory ?? []),
          span,
          inBytes,
          words
        )}
        times={history.times}
        values={columns?.memory ?? []}
        ink="memory"
        max={device.memory_total ?? Math.max(1, memory ?? 0)}
        span={SHORT_SPAN}
        version={version}
      />
      <span
        className="gpuctl-Device-memory"
        title={words.__(
          'Memory: %1 of %2',
          inBytes(memory),
          inBytes(device.memory_total)
        )}
      >
        {inBytes(memory)}
      </span>
    </>
  );
}

/** How hot, and at what power. An instance has neither of its own, but a size. */
function Heat(props: {
  context: IPanelContext;
  row: IDeviceRow;
}): React.JSX.Element | null {
  const { words } = props.context;
  const { reading, device, isInstance } = props.row;
  if (isInstance) {
    return (
      <span className="gpuctl-Device-heat" title={device.name}>
        {migProfile(device.name)}
      </span>
    );
  }
  if (!reading || reading.status !== 'ok') {
    return null;
  }
  return (
    <span className="gpuctl-Device-heat">
      <span title={words.__('Temperature')}>
        {temperature(reading.temperature, words)}
      </span>
      <span className="gpuctl-Device-power" title={words.__('Power')}>
        {watts(reading.power, words)}
      </span>
    </span>
  );
}

/** Who is on the device, in one line of fixed height. */
function Holders(props: {
  context: IPanelContext;
  row: IDeviceRow;
}): React.JSX.Element {
  const { context, row } = props;
  const { words } = context;
  const state = occupancy(row);
  const held = context.parts.some(part => part.held.has(row.device.uuid));
  const processes = row.reading?.processes;
  const groups = processGroups(processes ?? [], words);
  if (groups.length === 0) {
    const text = {
      free: held ? words.__('nothing runs') : words.__('free'),
      used: words.__('in use by processes that can’t be seen from here'),
      unknown: words.__('no reading yet'),
      broken: row.reading?.problem ?? ''
    }[state];
    const split = row.device.mig_enabled
      ? words.__('split into MIG instances')
      : text;
    return (
      <span className="gpuctl-Device-holders gpuctl-mod-text" title={split}>
        {split}
      </span>
    );
  }
  const known = groups.filter(group => group.user !== null);
  const rest = known.length - NAMED;
  const strangers = groups
    .filter(group => group.user === null)
    .reduce((count, group) => count + group.pids.length, 0);
  return (
    <span className="gpuctl-Device-holders">
      {known.slice(0, NAMED).map(group => (
        <Holder
          key={group.key}
          context={context}
          title={group.title}
          path={group.path}
          kernelId={group.kernelId}
          hint={words.__('%1, %2', group.title, group.user ?? '')}
        />
      ))}
      {rest > 0 && (
        <span className="gpuctl-Device-rest">{words.__('+%1', rest)}</span>
      )}
      {strangers > 0 && (
        <span
          title={words._n(
            '%1 process whose owner is not known',
            '%1 processes whose owner is not known',
            strangers
          )}
        >
          {words.__('%1 unattributed', strangers)}
        </span>
      )}
    </span>
  );
}
