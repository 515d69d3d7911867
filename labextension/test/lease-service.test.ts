import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { ApiError } from '../src/errors';
import type { ILeaseApi } from '../src/leases/api';
import { Leases, type ITurn } from '../src/leases/service';
import type { LeaseAnswer } from '../src/wire';
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

const open: Leases[] = [];

/** A service on an authority whose leases the test changes. */
function serve(...items: LeaseAnswer[]) {
  const authority = {
    items,
    ended: new Map<string, LeaseAnswer>(),
    asked: 0,
    admin: true
  };
  const unexpected = () => Promise.reject(new Error('not expected'));
  const api: ILeaseApi = {
    live: () => {
      authority.asked += 1;
      return Promise.resolve(leases(authority.items));
    },
    ended: () => Promise.resolve(leases([...authority.ended.values()])),
    audit: () => Promise.resolve({ items: [], next: null }),
    one: id => {
      const found = authority.ended.get(id);
      return found
        ? Promise.resolve(found)
        : Promise.reject(new ApiError(404, 'lease.unknown', 'Not there.'));
    },
    quota: () => Promise.resolve(quota({ admin: authority.admin })),
    preview: unexpected,
    request: unexpected,
    change: (id, body) => {
      const found = authority.items.find(item => item.id === id);
      return found && body.accept
        ? Promise.resolve({ ...found, status: 'active' })
        : unexpected();
    },
    end: id => {
      const found = authority.items.find(item => item.id === id);
      if (found?.mine === false && !authority.admin) {
        return Promise.reject(new ApiError(404, 'lease.unknown', 'Not there.'));
      }
      authority.items = authority.items.filter(item => item.id !== id);
      const over = lease(id, { status: 'ended', reason: 'released' });
      authority.ended.set(id, over);
      return Promise.resolve(over);
    }
  };
  const service = new Leases({ api, now: () => NOON, isSeen: () => true });
  open.push(service);
  const turns: string[] = [];
  service.turned.connect((_, { kind, lease: { id } }: ITurn) => {
    turns.push(`${kind} ${id}`);
  });
  return { service, authority, turns };
}

/** Until the service has asked again and taken the answer in. */
async function asked({ service, authority }: ReturnType<typeof serve>) {
  const before = authority.asked;
  service.refresh();
  while (authority.asked === before || service.model.state.phase !== 'live') {
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  await new Promise(resolve => setTimeout(resolve, 5));
}

afterEach(() => {
  open.splice(0).forEach(service => {
    service.dispose();
  });
});

describe('what has turned', () => {
  it('is told once: a wait that has become a lease', async () => {
    const talk = serve(queued('a', 1));
    await asked(talk);
    talk.authority.items = [lease('a')];
    await asked(talk);
    await asked(talk);
    assert.deepEqual(talk.turns, ['started a']);
  });

  it('is told with its reason: a lease that is gone', async () => {
    const talk = serve(lease('a'), foreign());
    await asked(talk);
    talk.authority.items = [];
    talk.authority.ended.set(
      'a',
      lease('a', { status: 'ended', reason: 'revoked', ended_at: iso(60) })
    );
    await asked(talk);
    assert.deepEqual(talk.turns, ['ended a']);
  });

  it('is not told when it was done from here', async () => {
    const talk = serve(offered('a', 600), lease('b'));
    await asked(talk);
    await talk.service.accept(offered('a', 600));
    talk.authority.items = [lease('a'), lease('b')];
    await talk.service.end(lease('b'));
    await asked(talk);
    assert.deepEqual(talk.turns, []);
    assert.deepEqual(
      talk.service.model.state.rows.active.map(({ id }) => id),
      ['a']
    );
  });

  it('of earlier visits is not told', async () => {
    const talk = serve(lease('a'));
    await asked(talk);
    assert.deepEqual(talk.turns, []);
  });
});

describe('the history that is open', () => {
  it('is read again when a lease has ended', async () => {
    const talk = serve(lease('a'));
    await asked(talk);
    await talk.service.model.history.load(false);
    assert.equal(talk.service.model.history.state.items.length, 0);
    await talk.service.end(lease('a'));
    await asked(talk);
    assert.equal(talk.service.model.history.state.items.length, 1);
  });
});

describe('a call that fails', () => {
  it('has the state asked for again, as it may be another than was shown', async () => {
    const talk = serve(lease('a'));
    await asked(talk);
    const before = talk.authority.asked;
    await assert.rejects(talk.service.extend(lease('a'), '1h'));
    while (talk.authority.asked === before) {
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    assert.equal(talk.service.model.state.busy.size, 0);
  });

  it('is told once it is known whether the caller is an administrator still', async () => {
    const theirs = foreign({ id: 'b' });
    const talk = serve(theirs);
    const isAdmin = () => talk.service.model.state.quota?.admin;
    await asked(talk);
    assert.equal(isAdmin(), true);
    talk.authority.admin = false;
    await assert.rejects(talk.service.end(theirs, 'class'), { status: 404 });
    assert.equal(isAdmin(), false);
  });
});
