import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { deathLine } from '../src/kernels/deaths';
import { kernelMenu } from '../src/kernels/menu';
import { leasesOf } from '../src/kernels/rows';
import { face, idleLine, restartLoss, told } from '../src/kernels/sentences';
import { leaseRows } from '../src/leases/rows';
import type { KernelAnswer, LeaseAnswer } from '../src/wire';
import { death, kernel } from './kernels';
import { iso, label, lease, NOON, offered, queued } from './leases';
import { english as words } from './words';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');

const mine = { kernel_id: 'k1' };

function shown(items: LeaseAnswer[], seconds: number, about = kernel()) {
  const own = leasesOf(leaseRows(items), 'k1');
  const found = face(about, own, label, NOON + seconds * 1000, words);
  return { ...found, text: plain(found.text) };
}

describe('the item of a toolbar', () => {
  it('is small where there is nothing to tell', () => {
    assert.equal(shown([], 0).text, 'GPU ▾');
    assert.equal(shown([lease('a', { kernel_id: 'k2' })], 0).text, 'GPU ▾');
  });

  it('counts down what is attached, and says left in the last ten minutes', () => {
    const own = [lease('a', mine)];
    assert.equal(shown(own, 18 * 60).text, 'GPU 0 · 1:42');
    assert.equal(shown(own, 7200 - 601).mood, 'attached');
    assert.deepEqual(
      [shown(own, 7200 - 540).text, shown(own, 7200 - 540).mood],
      ['GPU 0 · 9 min left', 'ending']
    );
  });

  it('counts the devices of several leases once each', () => {
    const two = [lease('a', mine), lease('b', { ...mine, devices: ['GPU-1'] })];
    assert.equal(shown(two, 0).text, '2 GPUs · 2:00');
  });

  it('tells the place of who waits, and what is offered', () => {
    assert.equal(shown([queued('a', 2, mine)], 0).text, 'GPU 2nd · ~14:20');
    const unknown = queued('a', 2, { ...mine, estimated_start: null });
    assert.equal(shown([unknown], 0).text, 'GPU 2nd');
    const offer = shown([offered('a', 540, mine)], 0);
    assert.deepEqual(
      [offer.text, offer.mood],
      ['GPU: accept · 9 min', 'offered']
    );
  });

  it('tells what goes on after its lease, and counts down to its stop', () => {
    const over = {
      lease_id: 'a',
      devices: ['GPU-0'],
      ended_at: iso(0),
      stops_at: iso(300)
    };
    const guarded = kernel({ applied: 'when_idle', state: 'busy', over });
    assert.deepEqual(
      [shown([], 45, guarded).text, shown([], 45, guarded).mood],
      ['GPU 0 ended · 4 min', 'over']
    );
    assert.match(shown([], 45, guarded).title, /is stopped at 12:05$/);
    assert.equal(shown([], 301, guarded).text, 'GPU 0 ended');
    const advisory = kernel({ ...guarded, over: { ...over, stops_at: null } });
    assert.match(shown([], 0, advisory).title, /goes when this cell ends$/);
    assert.equal(shown([lease('b', mine)], 0, guarded).text, 'GPU 0 · 2:00');
  });

  it('marks a kernel that has to be restarted', () => {
    assert.equal(shown([], 0, kernel({ applied: 'restart' })).mark, 'restart');
    assert.equal(shown([], 0, kernel({ applied: 'live' })).mark, null);
  });
});

describe('the menu of a kernel', () => {
  function entries(items: LeaseAnswer[], about: KernelAnswer = kernel()) {
    const { groups } = kernelMenu(
      {
        kernelId: 'k1',
        title: 'train.ipynb',
        kernel: about,
        titleOf: () => 'eval.ipynb'
      },
      leaseRows(items),
      label,
      NOON,
      words
    );
    return groups.flat().map(({ command, args }) => {
      const { name = '' } = args;
      return plain(`${command.replace('gpuctl:', '')} ${name}`.trim());
    });
  }

  it('offers to ask where there is nothing', () => {
    assert.deepEqual(entries([]), ['request', 'show-panel']);
  });

  it('says from which notebook a lease would be moved', () => {
    assert.deepEqual(entries([lease('a', { kernel_id: 'k2' })]), [
      'attach Move GPU 0 here from eval.ipynb, 2 h left',
      'request',
      'show-panel'
    ]);
    assert.deepEqual(entries([lease('a')]), [
      'attach Attach GPU 0, 2 h left',
      'request',
      'show-panel'
    ]);
  });

  it('begins with what is most pressing', () => {
    assert.deepEqual(entries([offered('a', 60, mine)]).slice(0, 2), [
      'accept',
      'decline'
    ]);
    const [first] = entries(
      [lease('a', mine)],
      kernel({ applied: 'restart', attachment: 'attached' })
    );
    assert.equal(first, 'restart-kernel');
  });
});

describe('words for kernels', () => {
  it('tell how one ran out of memory, and where', () => {
    assert.equal(
      plain(deathLine(death(), NOON, words)),
      'out of memory at 12:00: limit 4.0 GiB, peak 4.0 GiB, cell [7]'
    );
    const unknown = death({ reason: 'unknown', execution_count: null });
    assert.equal(deathLine(unknown, NOON, words), 'ended at 12:00: signal 9');
  });

  it('say that a share’s memory limit may reach it at a restart only', () => {
    const late = kernel({ applied: 'live', cap_at_restart: true });
    const text = told(late, 'train.ipynb', '0.5 GPU', words);
    assert.match(text, /memory limit only after a restart\.$/);
    assert.ok(text.length <= 140);
  });

  it('say why the guard has stopped one, and its name once', () => {
    const stopped = death({
      reason: 'stopped_by_guard',
      message: 'train.ipynb was stopped in cell [7]. The guard stopped it.'
    });
    assert.equal(
      deathLine(stopped, NOON, words),
      'stopped at 12:00: The guard stopped it.'
    );
  });

  it('say what a restart costs before it is done', () => {
    const busy = kernel({ attachment: 'attached', state: 'busy' });
    assert.equal(
      restartLoss(busy, 'train.ipynb', 'GPU 0', words),
      'train.ipynb can use GPU 0 only after a restart. Restarting train.ipynb loses its variables. The cell that runs is stopped.'
    );
  });

  it('say when a kernel can use what it was given', () => {
    const say = (applied: KernelAnswer['applied']) =>
      told(kernel({ applied, message: 'no.' }), 'a.ipynb', 'GPU 0', words);
    assert.match(say('live'), /use it at once/);
    assert.match(say('when_idle'), /as soon as the cell that runs has ended/);
    assert.equal(say('unsupported'), 'no.');
  });

  it('tell held memory apart from an idle device', () => {
    const idle = {
      lease_id: 'a',
      since: iso(-2400),
      holds_memory: false,
      release_at: iso(900),
      message: ''
    };
    const held = { ...idle, holds_memory: true, release_at: null };
    assert.equal(
      plain(idleLine(idle, NOON, words)),
      'nothing has run for 40 min. Keep it, or it goes back at 12:15.'
    );
    assert.match(idleLine(held, NOON, words), /its memory is held/);
  });
});
