import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ApiError, ServerAway } from '../src/errors';
import { LeaseModel } from '../src/leases/model';
import { heldDevices, isEnding, leaseRows } from '../src/leases/rows';
import type { LeasesAnswer } from '../src/wire';
import {
  foreign,
  iso,
  lease,
  leases,
  NOON,
  offered,
  queued,
  quota
} from './leases';

type Turn = LeasesAnswer | Error;

/** A model whose server answers in turns, and whose browser's clock can be set. */
function talk(...turns: Turn[]) {
  let now = NOON;
  const answer = () => {
    const turn = turns.shift();
    assert.ok(turn, 'asked more often than expected');
    return turn instanceof Error ? Promise.reject(turn) : Promise.resolve(turn);
  };
  const model = new LeaseModel({
    askLive: answer,
    askQuota: () => Promise.resolve(quota()),
    askEnded: answer,
    askAudit: () => Promise.resolve({ items: [], next: null }),
    now: () => now
  });
  return {
    model,
    at: (time: number) => {
      now = time;
    }
  };
}

const store = new ApiError(503, 'store.away', 'The database is away.', 'Wait.');

describe('the rows', () => {
  it('sort what is held by its end and the queue by its places', () => {
    const rows = leaseRows([
      queued('q2', 2),
      lease('late', { expires_at: iso(9000) }),
      foreign({ expires_at: iso(60) }),
      queued('q1', 1, { mine: false }),
      lease('early', { expires_at: iso(600) }),
      offered('o', 300)
    ]);
    assert.deepEqual(
      rows.held.map(({ id }) => id),
      ['', 'o', 'early', 'late']
    );
    assert.deepEqual(
      rows.active.map(({ id }) => id),
      ['early', 'late']
    );
    assert.deepEqual(
      rows.waiting.map(({ id }) => id),
      ['q1', 'q2']
    );
    assert.deepEqual(
      rows.queued.map(({ id }) => id),
      ['q2']
    );
  });

  it('know the devices that are spoken for, an offered one too', () => {
    const rows = leaseRows([
      foreign({ devices: ['GPU-1'] }),
      offered('o', 300),
      queued('q', 1)
    ]);
    assert.deepEqual([...heldDevices(rows.held)].sort(), ['GPU-0', 'GPU-1']);
  });

  it('call a lease ending in its last ten minutes, or when it was told so', () => {
    const two = lease('a');
    assert.equal(isEnding(two, NOON), false);
    assert.equal(isEnding(two, NOON + 6600_000), true);
    assert.equal(isEnding(lease('a', { reason: 'reclaimed' }), NOON), true);
  });
});

describe('time', () => {
  it('is the authority’s, however wrong the browser’s clock is', async () => {
    const { model, at } = talk(leases([lease('a')], 0), leases([], 10));
    at(NOON + 3_600_000);
    await model.refresh();
    assert.equal(model.now(), NOON);
    at(NOON + 3_600_000 + 10_400);
    await model.refresh();
    // A little earlier or later is the way of the answer, and moves no countdown.
    assert.equal(model.now(), NOON + 10_400);
  });
});

describe('an answer', () => {
  it('to a call is shown at once, and no older one after it', async () => {
    const waiting: ((answer: LeasesAnswer) => void)[] = [];
    const model = new LeaseModel({
      askLive: () => new Promise(resolve => waiting.push(resolve)),
      askQuota: () => Promise.resolve(quota()),
      askEnded: () => Promise.resolve(leases([])),
      askAudit: () => Promise.resolve({ items: [], next: null }),
      now: () => NOON
    });
    const asked = model.refresh();
    model.take(lease('mine'));
    assert.equal(model.state.rows.active.length, 1);
    waiting[0]!(leases([]));
    await asked;
    assert.equal(model.state.rows.active.length, 1);
    model.take(lease('mine', { status: 'ended' }));
    assert.equal(model.state.rows.active.length, 0);
    assert.equal(model.isConcerned, false);
  });

  it('that is on its way marks the lease it is about', async () => {
    const { model } = talk();
    let finish: () => void = () => undefined;
    const call = model.during(
      'a',
      () =>
        new Promise<void>(resolve => {
          finish = resolve;
        })
    );
    assert.ok(model.state.busy.has('a'));
    finish();
    await call;
    assert.equal(model.state.busy.has('a'), false);
  });
});

describe('a failure', () => {
  it('of the server keeps the last values', async () => {
    const { model } = talk(leases([lease('a')]), new ServerAway());
    await model.refresh();
    await assert.rejects(model.refresh(), ServerAway);
    assert.equal(model.state.phase, 'away');
    assert.equal(model.state.rows.active.length, 1);
  });

  it('of the store keeps them too, with the reason', async () => {
    const { model } = talk(leases([lease('a')]), store, leases([]));
    await model.refresh();
    await assert.rejects(model.refresh(), ApiError);
    assert.equal(model.state.phase, 'away');
    assert.equal(model.state.problem?.message, 'The database is away.');
    assert.equal(model.state.rows.active.length, 1);
    await model.refresh();
    assert.equal(model.state.phase, 'live');
    assert.equal(model.state.problem, null);
  });

  it('from the start, or of an older server, shows no leases', async () => {
    const { model } = talk(store);
    await assert.rejects(model.refresh(), ApiError);
    assert.equal(model.state.phase, 'refused');
    const older = talk(new ApiError(404, 'http.404', 'Not found'));
    await assert.rejects(older.model.refresh(), ApiError);
    assert.equal(older.model.state.phase, 'refused');
  });
});

describe('the history', () => {
  it('is read page by page, and anew from its beginning', async () => {
    const { model } = talk(
      { ...leases([lease('c')]), next: 'older' },
      leases([lease('b')]),
      leases([lease('d')])
    );
    await model.history.load(false);
    await model.history.load(true);
    const ids = () => model.history.state.items.map(({ id }) => id);
    assert.deepEqual(ids(), ['c', 'b']);
    assert.equal(model.history.state.next, null);
    await model.history.load(false);
    assert.deepEqual(ids(), ['d']);
  });

  it('that can’t be read says so, and keeps what it had', async () => {
    const { model } = talk(leases([lease('c')]), store);
    await model.history.load(false);
    await model.history.load(false);
    assert.equal(model.history.state.phase, 'failed');
    assert.equal(model.history.state.items.length, 1);
  });
});
