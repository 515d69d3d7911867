import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { gaugeTexts, presets, suggestion } from '../src/leases/gauges';
import { gauge, iso, NOON, quota } from './leases';
import { english as words } from './words';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');

describe('a quota', () => {
  it('has a name, a use, and when it resets', () => {
    const [text] = gaugeTexts(
      [
        gauge({
          kind: 'gpu_hours',
          used: 12.43,
          allowed: 20,
          window: 'weekly',
          resets_at: new Date(2027, 0, 18).toISOString()
        })
      ],
      NOON,
      words
    );
    assert.equal(text!.name, 'This week');
    assert.equal(text!.value, '12.4 of 20 GPU-h');
    assert.equal(text!.reset, 'resets Mon 00:00');
    assert.equal(text!.isFull, false);
    assert.ok(Math.abs(text!.part - 0.6215) < 1e-9);
  });

  it('of a rolling window tells when the oldest use drops out', () => {
    const [text] = gaugeTexts(
      [
        gauge({
          kind: 'gpu_hours',
          used: 20,
          allowed: 20,
          window: 'rolling',
          window_seconds: 7 * 86400,
          resets_at: iso(86400)
        })
      ],
      NOON,
      words
    );
    assert.equal(plain(text!.name), 'Last 7 d');
    assert.equal(text!.reset, 'more from Thu 12:00');
    assert.equal(text!.hint, 'All used up.');
  });

  it('isn’t shown where there is no limit, nor a queue with room', () => {
    const gauges = [
      gauge({ allowed: null }),
      gauge({ kind: 'queued', used: 1, allowed: 3 })
    ];
    assert.deepEqual(gaugeTexts(gauges, NOON, words), []);
    const full = [gauge({ kind: 'queued', used: 3, allowed: 3 })];
    assert.equal(gaugeTexts(full, NOON, words)[0]!.name, 'Requests in line');
  });

  it('of a group is named after it, and tells what is borrowed', () => {
    const [text] = gaugeTexts(
      [
        gauge({
          scope: 'group',
          name: 'vision',
          used: 3,
          allowed: 8,
          nominal: 4
        })
      ],
      NOON,
      words
    );
    assert.equal(text!.name, 'vision: GPUs at once');
    assert.equal(text!.value, '3 of 8');
    assert.match(text!.hint, /^4 GPUs guaranteed; more is borrowed/);
  });

  it('leaves out presets that it has no room for', () => {
    const names = (changes: Parameters<typeof quota>[0]) =>
      presets(quota(changes)).map(p => `${p.gpus}x${p.seconds / 3600}`);
    assert.deepEqual(names({}), ['1x1', '1x2', '1x8', '2x2']);
    assert.deepEqual(names({ largest: 8, max_lease: 7200 }), [
      '1x1',
      '1x2',
      '2x2',
      '4x2'
    ]);
    assert.deepEqual(names({ gauges: [gauge({ allowed: 1 })] }), [
      '1x1',
      '1x2',
      '1x8'
    ]);
    const hours = gauge({ kind: 'gpu_hours', allowed: 20, left: 2 });
    assert.deepEqual(names({ gauges: [hours] }), ['1x1', '1x2']);
    assert.deepEqual(names({ largest: 0 }), []);
  });

  it('suggests what can be had', () => {
    assert.deepEqual(suggestion(quota()), { gpus: 1, seconds: 7200 });
    const half = quota({ gauges: [gauge({ allowed: 0.5 })] });
    assert.deepEqual(suggestion(half), { gpus: 0.5, seconds: 3600 });
    const short = quota({ max_lease: 600 });
    assert.deepEqual(suggestion(short), { gpus: 1, seconds: 600 });
  });
});
