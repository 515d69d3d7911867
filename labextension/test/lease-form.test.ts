import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ApiError } from '../src/errors';
import { bodyOf, RequestForm, type IFields } from '../src/leases/form';
import type { LeaseAnswer, LeaseRequestBody, PreviewAnswer } from '../src/wire';
import { lease, preview } from './leases';

const FIELDS: IFields = {
  kind: 'whole',
  count: '1',
  share: '50',
  memory: '',
  duration: '2h',
  model: '',
  group: '',
  note: '',
  kernel: ''
};

/** A form whose pauses end when the test says so. */
function fill(
  send: (body: LeaseRequestBody, key: string) => Promise<LeaseAnswer> = () =>
    Promise.resolve(lease('a'))
) {
  const asked: LeaseRequestBody[] = [];
  const answers: {
    resolve: (answer: PreviewAnswer) => void;
    reject: (reason: unknown) => void;
  }[] = [];
  let pending: (() => void) | null = null;
  const form = new RequestForm({
    fields: FIELDS,
    preview: body => {
      asked.push(body);
      return new Promise((resolve, reject) => {
        answers.push({ resolve, reject });
      });
    },
    send,
    later: call => {
      pending = call;
      return () => {
        pending = null;
      };
    }
  });
  return {
    form,
    asked,
    answers,
    pause: () => {
      const call = pending;
      pending = null;
      call?.();
    }
  };
}

/** Until everything that can run has run. */
const settled = () => new Promise(resolve => setImmediate(resolve));

describe('what is sent', () => {
  it('is whole GPUs, or a share of one', () => {
    assert.equal(bodyOf({ ...FIELDS, count: '2' }).gpus, 2);
    const share = bodyOf({ ...FIELDS, kind: 'share', memory: '8GiB' });
    assert.equal(share.gpus, 0.5);
    assert.equal(share.gpu_memory, '8GiB');
  });

  it('leaves empty fields to the server', () => {
    const body = bodyOf({ ...FIELDS, memory: ' ', note: ' ' });
    assert.equal(body.gpu_memory, null);
    assert.equal(body.gpu_model, null);
    assert.equal(body.group, null);
    assert.equal(body.note, '');
  });

  it('is what was typed where it is no number, so that the server names it', () => {
    assert.equal(bodyOf({ ...FIELDS, count: 'two' }).gpus, 'two');
    assert.equal(bodyOf({ ...FIELDS, count: '' }).gpus, '');
  });
});

describe('the live verdict', () => {
  it('is asked for at once, and after a pause in typing', async () => {
    const { form, asked, answers, pause } = fill();
    pause();
    assert.equal(asked.length, 1);
    assert.equal(asked[0]!.dry_run, true);
    answers[0]!.resolve(preview());
    await settled();
    assert.equal(form.state.isChecking, false);
    form.set({ duration: '2' });
    form.set({ duration: '20m' });
    assert.equal(form.state.isChecking, true);
    pause();
    assert.equal(asked.length, 2);
    assert.equal(asked[1]!.duration, '20m');
  });

  it('on earlier fields is not shown for later ones', async () => {
    const { form, answers, pause } = fill();
    pause();
    form.set({ count: '2' });
    pause();
    answers[1]!.resolve(preview({ gpu_hours: 4 }));
    await settled();
    answers[0]!.resolve(preview({ gpu_hours: 2 }));
    await settled();
    assert.equal(form.state.preview?.gpu_hours, 4);
  });

  it('stands beside the field that it is about', async () => {
    const { form, answers, pause } = fill();
    pause();
    answers[0]!.reject(
      new ApiError(400, 'request.invalid', 'duration=…', 'Write 90m.', {
        name: 'duration',
        value: '…'
      })
    );
    await settled();
    assert.equal(form.state.problem?.field, 'duration');
    form.set({ duration: '1h' });
    pause();
    answers[1]!.reject(new ApiError(503, 'store.away', 'Away.', 'Wait.'));
    await settled();
    assert.deepEqual(form.state.problem, {
      field: null,
      message: 'Away.',
      hint: 'Wait.'
    });
  });
});

describe('a request', () => {
  it('that is sent twice is one, and with one key', async () => {
    const keys: string[] = [];
    let fail = true;
    const { form } = fill((_, key) => {
      keys.push(key);
      return fail
        ? Promise.reject(new Error('The network is down.'))
        : Promise.resolve(lease('a'));
    });
    const [first, second] = await Promise.all([form.submit(), form.submit()]);
    assert.equal(first, null);
    assert.equal(second, null);
    assert.equal(keys.length, 1);
    assert.equal(form.state.problem?.message, 'The network is down.');
    fail = false;
    assert.equal((await form.submit())?.id, 'a');
    assert.equal(keys[1], keys[0]);
  });

  it('that is refused late says nothing of what was typed since', async () => {
    let refuse: (reason: Error) => void = () => undefined;
    const { form, answers, pause } = fill(
      () =>
        new Promise((_, reject) => {
          refuse = reject;
        })
    );
    const sent = form.submit();
    form.set({ count: '2' });
    pause();
    answers[0]!.resolve(preview({ gpu_hours: 4 }));
    await settled();
    refuse(new Error('no'));
    assert.equal(await sent, null);
    assert.equal(form.state.preview?.gpu_hours, 4);
    assert.equal(form.state.problem, null);
    assert.equal(form.state.isSending, false);
  });

  it('for something else has another key', async () => {
    const keys: string[] = [];
    const { form } = fill((_, key) => {
      keys.push(key);
      return Promise.reject(new Error('no'));
    });
    await form.submit();
    form.set({ count: '2' });
    await form.submit();
    assert.notEqual(keys[1], keys[0]);
  });
});
