import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  endedNotice,
  standingNotices,
  startedNotice
} from '../src/leases/notices';
import { leaseRows } from '../src/leases/rows';
import type { LeaseAnswer } from '../src/wire';
import { iso, label, lease, NOON, offered } from './leases';
import { english as words } from './words';

const at = (items: LeaseAnswer[], seconds: number) =>
  standingNotices(leaseRows(items), label, NOON + seconds * 1000, words);

const stage = (items: LeaseAnswer[], seconds: number) =>
  at(items, seconds)[0]?.stage.split(' ')[0];

const plain = (text: string) => text.replace(/\u00a0/g, ' ');

describe('an offer', () => {
  it('can be accepted as long as it stands', () => {
    const [notice] = at([offered('a', 600)], 0);
    assert.deepEqual(notice!.actions, ['accept', 'decline']);
    assert.equal(
      plain(notice!.message),
      'GPU 0 for you: accept within 10 min, or it goes to the next in line.'
    );
    assert.equal(notice!.autoClose, false);
    assert.deepEqual(at([offered('a', 600)], 600), []);
  });

  it('is told anew each minute at most', () => {
    const texts = new Set(
      Array.from({ length: 120 }, (_, second) => second).map(
        second => at([offered('a', 120)], second)[0]?.message
      )
    );
    assert.equal(texts.size, 3);
  });
});

describe('a lease', () => {
  it('is told of as long as devices of it are gone', () => {
    const problem =
      'GPU 1 is not there any more: the driver does not find it. Release it and ask again; nothing is charged from 2027-01-04 12:30 UTC on.';
    const [notice] = at([lease('a', { problem })], 0);
    assert.match(notice!.message, /^GPU 1 is not there any more/);
    assert.deepEqual([notice!.type, notice!.actions], ['error', ['release']]);
    assert.equal(at([lease('a')], 0).length, 0);
    const over = lease('a', { status: 'ended', reason: 'lost' });
    assert.match(endedNotice(over, label, words)!.message, /charged until/);
  });

  it('is told to end 5 minutes and 1 minute ahead', () => {
    const two = [lease('a')];
    assert.equal(stage(two, 0), undefined);
    assert.equal(stage(two, 7200 - 301), undefined);
    assert.equal(stage(two, 7200 - 300), '300');
    assert.equal(stage(two, 7200 - 61), '300');
    assert.equal(stage(two, 7200 - 60), '60');
    assert.equal(stage(two, 7200), undefined);
    const [notice] = at(two, 7200 - 200);
    assert.equal(
      plain(notice!.message),
      'Your lease of GPU 0 ends at 14:00, in less than 5 min. Save your work, or extend it.'
    );
    const [bound] = at([lease('a', { kernel_id: 'k1' })], 7200 - 200);
    assert.match(bound!.message, /its notebook loses the GPU then\.$/);
    const [guarded] = at([lease('a', { strength: 'guarded' })], 7200 - 200);
    assert.match(guarded!.message, /what goes on after that is stopped\.$/);
    assert.ok(guarded!.message.length <= 140);
    assert.deepEqual(notice!.actions, ['extend']);
  });

  it('is warned of again when it was extended', () => {
    const [before] = at([lease('a')], 7200 - 200);
    const longer = [lease('a', { expires_at: iso(9000) })];
    assert.deepEqual(at(longer, 7200 - 200), []);
    const [after] = at(longer, 9000 - 200);
    assert.equal(after!.key, before!.key);
    assert.notEqual(after!.stage, before!.stage);
  });

  it('that was short from the start is not warned of at its start', () => {
    const short = [lease('a', { expires_at: iso(240), duration: 240 })];
    assert.equal(stage(short, 0), undefined);
    assert.equal(stage(short, 200), '60');
    const shorter = [lease('a', { expires_at: iso(30), duration: 30 })];
    assert.equal(stage(shorter, 20), undefined);
  });

  it('that is taken back says why and until when', () => {
    const told = lease('a', {
      reason: 'reclaimed',
      remark: 'for user-b',
      expires_at: iso(600)
    });
    const [notice] = at([told], 0);
    assert.match(notice!.message, /GPU 0 goes back at 12:10\./);
    assert.match(notice!.message, /is needed for user-b\. Save your work\./);
  });

  it('that began or ended by itself is told of, one’s own doing isn’t', () => {
    assert.match(
      startedNotice(lease('a'), label, NOON, words).message,
      /^Your lease has begun: GPU 0, until 14:00/
    );
    const told = (['expired', 'lapsed', 'revoked', 'reclaimed'] as const).map(
      reason => endedNotice(lease('a', { reason, remark: 'r' }), label, words)
    );
    assert.ok(told.every(notice => notice?.actions[0] === 'request'));
    assert.equal(told[2]!.type, 'error');
    for (const reason of ['released', 'cancelled', 'declined'] as const) {
      assert.equal(endedNotice(lease('a', { reason }), label, words), null);
    }
  });

  it('is told in no more than what a notification shows', () => {
    const all = [
      ...at([offered('a', 600)], 0),
      ...at([lease('a')], 7000),
      endedNotice(lease('a', { reason: 'expired' }), label, words)!
    ];
    for (const { message } of all) {
      assert.ok(message.length <= 140, message);
    }
  });
});
