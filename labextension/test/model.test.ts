import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ApiError, ServerAway } from '../src/errors';
import { GpuModel, type IViewer } from '../src/gpus/model';
import type { GpusAnswer } from '../src/wire';
import { answerWith, device, reading, sample } from './samples';

type Turn = GpusAnswer | Error;

/** A model, and what it asked; `turns` are the server's answers in order. */
function talk(...turns: Turn[]) {
  const asked: (number | undefined)[] = [];
  let now = 0;
  const model = new GpuModel({
    now: () => now,
    ask: since => {
      asked.push(since);
      const turn = turns.shift();
      assert.ok(turn, 'asked more often than expected');
      return turn instanceof Error
        ? Promise.reject(turn)
        : Promise.resolve(turn);
    }
  });
  return {
    model,
    asked,
    at: (time: number) => {
      now = time;
    }
  };
}

const viewer = (wantsHistory: boolean, isVisible = true) => ({
  wantsHistory,
  isVisible
});

const one = (seq: number) =>
  answerWith([sample(seq, { devices: [reading('GPU-0')] })], {
    devices: [device(0)]
  });

describe('what is asked', () => {
  it('is everything first and then what is new, while the panel is seen', async () => {
    const { model, asked } = talk(one(7), one(8), answerWith([], { seq: 8 }));
    model.addViewer(viewer(true));
    await model.refresh();
    await model.refresh();
    await model.refresh();
    assert.deepEqual(asked, [0, 7, 8]);
    assert.equal(model.state.sample?.seq, 8);
  });

  it('is the newest sample alone while only the status bar is seen', async () => {
    const { model, asked } = talk(one(7), one(8));
    model.addViewer(viewer(false));
    await model.refresh();
    assert.deepEqual(asked, [undefined]);
    assert.equal(model.history.times.length, 0);
    model.addViewer(viewer(true));
    await model.refresh();
    assert.deepEqual(asked, [undefined, 0]);
  });

  it('starts again from 0 when the server has', async () => {
    const { model, asked } = talk(
      one(500),
      new ApiError(400, 'gpus.since_in_future', 'since=500 lies in the future'),
      one(2)
    );
    model.addViewer(viewer(true));
    await model.refresh();
    await model.refresh();
    assert.deepEqual(asked, [0, 500, 0]);
    assert.equal(model.history.times.length, 1);
    assert.equal(model.state.phase, 'live');
  });
});

describe('an answer', () => {
  it('that was overtaken by a later one is not shown', async () => {
    const waiting: ((answer: GpusAnswer) => void)[] = [];
    const model = new GpuModel({
      now: () => 0,
      ask: () => new Promise(resolve => waiting.push(resolve))
    });
    const first = model.refresh();
    const second = model.refresh();
    waiting[1]!(one(2));
    await second;
    waiting[0]!(one(1));
    await first;
    assert.equal(model.state.sample?.seq, 2);
  });
});

describe('what is wanted', () => {
  it('is nothing while nobody looks', () => {
    const { model } = talk();
    const panel = { wantsHistory: true, isVisible: false };
    assert.equal(model.wanted, null);
    model.addViewer(panel);
    assert.equal(model.wanted, null);
    panel.isVisible = true;
    assert.equal(model.wanted, 'history');
    model.removeViewer(panel);
    assert.equal(model.wanted, null);
  });

  it('is what the most demanding viewer wants', () => {
    const { model } = talk();
    const status: IViewer = viewer(false);
    model.addViewer(status);
    assert.equal(model.wanted, 'newest');
    model.addViewer(viewer(true));
    assert.equal(model.wanted, 'history');
  });
});

describe('a failure', () => {
  it('of the server keeps the last values and when they came', async () => {
    const { model, at } = talk(one(1), new ServerAway(), one(2));
    model.addViewer(viewer(true));
    at(1000);
    await model.refresh();
    at(9000);
    await assert.rejects(model.refresh(), ServerAway);
    assert.equal(model.state.phase, 'away');
    assert.equal(model.state.sample?.seq, 1);
    assert.equal(model.state.receivedAt, 1000);
    await model.refresh();
    assert.equal(model.state.phase, 'live');
    assert.equal(model.state.receivedAt, 9000);
  });

  it('that the server explains is kept in its words', async () => {
    const { model } = talk(
      new ApiError(503, 'config.invalid', 'GpuCtl.x is not a setting.', 'Mend')
    );
    await assert.rejects(model.refresh(), ApiError);
    assert.equal(model.state.phase, 'refused');
    assert.equal(model.state.problem?.hint, 'Mend');
  });

  it('tells whoever shows it', async () => {
    const { model } = talk(one(1), new ServerAway());
    let told = 0;
    model.changed.connect(() => {
      told += 1;
    });
    await model.refresh();
    await assert.rejects(model.refresh());
    assert.equal(told, 2);
  });
});
