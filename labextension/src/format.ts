/** Quantities as people read them. What is not known is "n/a", never 0. */

import type { TranslationBundle } from '@jupyterlab/translation';

/** The part of a translation bundle that pure code needs. */
export type Words = Pick<TranslationBundle, '__' | '_n'>;

/** A space that doesn't break between a number and its unit. */
const SPACE = '\u00a0';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

export function notAvailable(words: Words): string {
  return words.__('n/a');
}

/** The binary unit in which `size` bytes have one to four digits: its power of 1024. */
function power(size: number): number {
  let power = 0;
  // 1023.95 would be rounded to 1024.0 of the smaller unit.
  while (size >= 1023.95 && power < UNITS.length - 1) {
    size /= 1024;
    power += 1;
  }
  return power;
}

function digits(value: number): string {
  return value === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1);
}

/** `68.0 GiB`; the same rule as `format_bytes` of the Python side. */
export function bytes(size: number | null, words: Words): string {
  if (size === null) {
    return notAvailable(words);
  }
  const unit = power(size);
  const value = size / 1024 ** unit;
  return `${unit === 0 ? value.toFixed(0) : digits(value)}${SPACE}${UNITS[unit]}`;
}

/** `68.0 / 141 GiB`: both in the unit of the total. */
export function bytesOf(
  used: number | null,
  total: number | null,
  words: Words
): string {
  if (total === null || used === null) {
    return total === null
      ? bytes(used, words)
      : `${notAvailable(words)} / ${bytes(total, words)}`;
  }
  const unit = power(total);
  return `${digits(used / 1024 ** unit)} / ${bytes(total, words)}`;
}

/** `97 %` */
export function percent(value: number | null, words: Words): string {
  return value === null ? notAvailable(words) : `${value.toFixed(0)}${SPACE}%`;
}

/** `71 °C` */
export function temperature(celsius: number | null, words: Words): string {
  return celsius === null
    ? notAvailable(words)
    : `${celsius.toFixed(0)}${SPACE}°C`;
}

/** `640 W` */
export function watts(power: number | null, words: Words): string {
  return power === null ? notAvailable(words) : `${power.toFixed(0)}${SPACE}W`;
}

/** `12 s`, `3 min`, `2 h`: how long ago. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) {
    return `${whole}${SPACE}s`;
  }
  return whole < 3600
    ? `${Math.floor(whole / 60)}${SPACE}min`
    : `${Math.floor(whole / 3600)}${SPACE}h`;
}

/** `2`, `0.5`: cores, without needless decimals. */
export function cores(count: number): string {
  return String(Math.round(count * 100) / 100);
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `NVIDIA GeForce RTX 4090` → `RTX 4090`: the part that tells devices apart. */
export function shortDeviceName(name: string): string {
  return name.replace(/^NVIDIA\s+/i, '').replace(/^GeForce\s+/i, '') || name;
}

/** `NVIDIA H200 MIG 1g.18gb` → `1g.18gb`: the size of an instance. */
export function migProfile(name: string): string {
  return /\bMIG\s+(\S+)/.exec(name)?.[1] ?? name;
}
