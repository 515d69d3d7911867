import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { logLine } from '../src/leases/log';
import { Pages } from '../src/leases/pages';
import type { AuditAnswer } from '../src/wire';
import { iso } from './leases';
import { english as words } from './words';

function row(action: string, changes: Partial<AuditAnswer> = {}): AuditAnswer {
  return {
    id: 1,
    time: iso(0),
    actor: 'user-a',
    action,
    lease_id: '1',
    owner: 'user-a',
    detail: {},
    ...changes
  };
}

const line = (answer: AuditAnswer, user = 'user-z') =>
  logLine(answer, user, words).replace(/\u00a0/g, ' ');

describe('a line of the log', () => {
  it('says who did what', () => {
    const detail = { gpus: 2, duration: 5400 };
    assert.equal(
      line(row('lease.request', { detail })),
      'user-a: asked for 2 GPUs for 1 h 30 min'
    );
    assert.equal(line(row('lease.release'), 'user-a'), 'you: gave back');
  });

  it('says whose lease it was and who did it, where they are two', () => {
    const detail = { reason: 'maintenance' };
    assert.equal(
      line(row('lease.revoke', { actor: 'root', detail })),
      'user-a: revoked: maintenance, by root'
    );
  });

  it('leaves out the rules, and names an action that it does not know', () => {
    const rules = { actor: 'gpuctl' };
    assert.equal(line(row('lease.start', rules)), 'user-a: lease began');
    assert.equal(
      line(row('guard.would_stop', rules)),
      'user-a: guard would stop'
    );
    assert.equal(
      line(row('clock.step', { ...rules, owner: null, lease_id: null })),
      'The clock was set: all ends have moved along.'
    );
  });
});

describe('pages', () => {
  const ask = (cursor: string | undefined) =>
    Promise.resolve(
      cursor === undefined
        ? { items: [3, 2], next: 'older' }
        : { items: [1], next: null }
    );

  it('are read one after another, and begin anew', async () => {
    const pages = new Pages(ask, () => undefined);
    await pages.load(false);
    await pages.load(true);
    assert.deepEqual(pages.state.items, [3, 2, 1]);
    assert.equal(pages.state.next, null);
  });

  it('are renewed once they were asked for, and not while older ones are read', async () => {
    let asked = 0;
    const pages = new Pages(
      cursor => {
        asked += 1;
        return ask(cursor);
      },
      () => undefined
    );
    await pages.renew();
    assert.equal(asked, 0);
    await pages.load(false);
    await pages.renew();
    assert.equal(asked, 2);
    await pages.load(true);
    await pages.renew();
    assert.equal(asked, 3);
    assert.equal(pages.state.items.length, 3);
  });
});
