/** Pure rules: quotas in words, and the requests that they leave room for. */

import type { Words } from '../format';
import type { Gauge, QuotaAnswer } from '../wire';
import { clock, gpus, span, tidy } from './times';

export interface IGaugeText {
  readonly name: string;
  /** When there will be more; empty where time changes nothing. */
  readonly reset: string;
  readonly value: string;
  readonly hint: string;
  /** 0 to 1. */
  readonly part: number;
  readonly isFull: boolean;
}

/** What limits the caller; what isn't limited isn't shown, nor a queue that has room. */
export function gaugeTexts(
  gauges: readonly Gauge[],
  now: number,
  words: Words
): IGaugeText[] {
  return gauges
    .filter(
      ({ allowed, kind, used }) =>
        allowed !== null && (kind !== 'queued' || used >= allowed)
    )
    .map(gauge => text(gauge, gauge.allowed ?? 0, now, words));
}

function text(
  gauge: Gauge,
  allowed: number,
  now: number,
  words: Words
): IGaugeText {
  const { kind, used, nominal, resets_at: resets } = gauge;
  const isFull = used >= allowed;
  const base = {
    part: allowed > 0 ? Math.min(1, used / allowed) : 1,
    isFull,
    reset: ''
  };
  if (kind === 'gpu_hours') {
    const rolling = gauge.window === 'rolling';
    return {
      ...base,
      name: named(gauge, period(gauge, words), words),
      value: words.__('%1 of %2 GPU-h', used.toFixed(1), tidy(allowed)),
      reset:
        resets === null
          ? ''
          : rolling
            ? words.__('more from %1', clock(resets, now, words))
            : words.__('resets %1', clock(resets, now, words)),
      hint: isFull
        ? words.__('All used up.')
        : words.__('%1 GPU-h are left.', tidy(round(allowed - used)))
    };
  }
  const count = words.__('%1 of %2', tidy(used), tidy(allowed));
  if (kind === 'queued') {
    return {
      ...base,
      name: named(gauge, words.__('Requests in line'), words),
      value: count,
      hint: words.__('No more requests until one of these has started.')
    };
  }
  return {
    ...base,
    name: named(gauge, words.__('GPUs at once'), words),
    value: count,
    hint:
      nominal !== null && nominal < allowed
        ? words.__(
            '%1 guaranteed; more is borrowed while others leave it idle.',
            gpus(nominal, words)
          )
        : ''
  };
}

function named(gauge: Gauge, what: string, words: Words): string {
  return gauge.scope === 'group' ? words.__('%1: %2', gauge.name, what) : what;
}

function period(gauge: Gauge, words: Words): string {
  switch (gauge.window) {
    case 'daily':
      return words.__('Today');
    case 'weekly':
      return words.__('This week');
    case 'monthly':
      return words.__('This month');
    default:
      return words.__('Last %1', span(gauge.window_seconds ?? 0));
  }
}

function round(hours: number): number {
  return Math.round(hours * 10) / 10;
}

const HOUR = 3600;

/** Requests that people make most; smallest first. */
const USUAL: readonly IPreset[] = [
  { gpus: 1, seconds: HOUR },
  { gpus: 1, seconds: 2 * HOUR },
  { gpus: 1, seconds: 8 * HOUR },
  { gpus: 2, seconds: 2 * HOUR },
  { gpus: 4, seconds: 2 * HOUR }
];

export interface IPreset {
  readonly gpus: number;
  readonly seconds: number;
}

/** The tightest of the limits of one kind; infinite where there is none. */
function least(
  quota: QuotaAnswer,
  kind: string,
  count: (gauge: Gauge) => number | null
): number {
  return Math.min(
    Infinity,
    ...quota.gauges
      .filter(gauge => gauge.kind === kind)
      .flatMap(gauge => count(gauge) ?? [])
  );
}

/** What most people ask for, so that Enter is enough: as much as may be had of two hours. */
export function suggestion(quota: QuotaAnswer): IPreset {
  const usual = presets(quota);
  const found = usual.find(({ seconds }) => seconds > HOUR) ?? usual[0];
  return (
    found ?? {
      gpus: Math.min(
        1,
        least(quota, 'gpus', gauge => gauge.allowed)
      ),
      seconds: Math.min(HOUR, quota.max_lease)
    }
  );
}

/** The usual requests that the machine, and the quotas at their emptiest, have room for. */
export function presets(quota: QuotaAnswer): IPreset[] {
  const atOnce = Math.min(
    quota.largest,
    least(quota, 'gpus', gauge => gauge.allowed)
  );
  const hours = least(quota, 'gpu_hours', gauge => gauge.left);
  return USUAL.filter(
    preset =>
      preset.gpus <= atOnce &&
      preset.seconds <= quota.max_lease &&
      (preset.gpus * preset.seconds) / HOUR <= hours
  );
}
