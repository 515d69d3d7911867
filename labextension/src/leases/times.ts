/** Times, durations and amounts as people read them. 24-hour clock, the browser's time zone. */

import type { Words } from '../format';

/** A space that doesn't break between a number and its unit. */
const SPACE = '\u00a0';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds below which a countdown shows seconds too. */
const FINE = 10 * MINUTE;

/** Milliseconds since the epoch of an ISO time. */
export function at(iso: string): number {
  return Date.parse(iso);
}

/** `1 h 42 min`, `42 min`, `9 min 41 s`, `41 s`: what is left of a time. */
export function left(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole >= FINE) {
    return coarse(Math.floor(whole / MINUTE) * MINUTE);
  }
  const minutes = Math.floor(whole / MINUTE);
  const rest = `${whole % MINUTE}${SPACE}s`;
  return minutes === 0 ? rest : `${minutes}${SPACE}min ${rest}`;
}

/** `2 h`, `1 h 30 min`, `3 d`: a duration as it was asked for. */
export function span(seconds: number): string {
  return seconds < FINE && seconds % MINUTE !== 0
    ? left(seconds)
    : coarse(Math.round(seconds / MINUTE) * MINUTE);
}

/** `1:42` for 1 h 42 min, below an hour `42 min`, below a minute `41 s`: for tight places. */
export function brief(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < MINUTE) {
    return `${whole}${SPACE}s`;
  }
  const minutes = Math.floor(whole / MINUTE);
  return minutes < 60
    ? `${minutes}${SPACE}min`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

/** In days, hours and minutes, the two largest that there are. */
function coarse(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / DAY), 'd'],
    [Math.floor((seconds % DAY) / HOUR), 'h'],
    [Math.floor((seconds % HOUR) / MINUTE), 'min']
  ];
  const shown = parts.filter(([count]) => count > 0).slice(0, 2);
  return shown.length === 0
    ? `0${SPACE}min`
    : shown.map(([count, unit]) => `${count}${SPACE}${unit}`).join(' ');
}

/** Rounded up to a minute, as the server does. `14:20`; on another day `Tue 14:20`; further away `2027-01-11 14:20`. */
export function clock(iso: string, now: number, words: Words): string {
  const then = new Date(Math.ceil(at(iso) / 6e4) * 6e4);
  const time = `${two(then.getHours())}:${two(then.getMinutes())}`;
  const days = Math.round((midnight(then) - midnight(new Date(now))) / 864e5);
  if (days === 0) {
    return time;
  }
  if (Math.abs(days) < 7) {
    return `${weekday(then.getDay(), words)} ${time}`;
  }
  const date = [
    then.getFullYear(),
    two(then.getMonth() + 1),
    two(then.getDate())
  ];
  return `${date.join('-')} ${time}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function midnight(date: Date): number {
  return new Date(
    date.getFullYear(),
    date.getMonth(),
    date.getDate()
  ).getTime();
}

function weekday(day: number, words: Words): string {
  const names = [
    words.__('Sun'),
    words.__('Mon'),
    words.__('Tue'),
    words.__('Wed'),
    words.__('Thu'),
    words.__('Fri'),
    words.__('Sat')
  ];
  return names[day] ?? '';
}

/** `1st`, `2nd`, `11th`. */
export function ordinal(n: number, words: Words): string {
  const tens = n % 100;
  if (tens < 11 || tens > 13) {
    switch (n % 10) {
      case 1:
        return words.__('%1st', n);
      case 2:
        return words.__('%1nd', n);
      case 3:
        return words.__('%1rd', n);
    }
  }
  return words.__('%1th', n);
}

/** `1 GPU`, `2 GPUs`, `0.5 GPU`. */
export function gpus(amount: number, words: Words): string {
  return amount > 0 && amount < 1
    ? words.__('%1 GPU', tidy(amount))
    : words._n('%1 GPU', '%1 GPUs', amount);
}

/** `2.0 GPU-h`, `0.25 GPU-h`: one decimal, two where it is little. */
export function gpuHours(hours: number): string {
  const text =
    hours < 1 ? hours.toFixed(2).replace(/0$/, '') : hours.toFixed(1);
  return `${text}${SPACE}GPU-h`;
}

/** A number without needless decimals. */
export function tidy(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
