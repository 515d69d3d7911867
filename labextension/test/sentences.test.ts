import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ApiError } from '../src/errors';
import type { IGpuState } from '../src/gpus/model';
import { deviceRows, kernelRows } from '../src/gpus/rows';
import {
  announcement,
  answer,
  plotSummary,
  statusText,
  yours
} from '../src/gpus/sentences';
import type { Device, DeviceReading, Driver } from '../src/wire';
import {
  answerWith,
  device,
  driver,
  GIB,
  kernel,
  owned,
  process,
  reading,
  sample
} from './samples';
import { english as words } from './words';

const LOADING: IGpuState = {
  phase: 'loading',
  answer: null,
  sample: null,
  problem: null,
  receivedAt: null
};

function live(
  devices: Device[],
  readings: DeviceReading[],
  status: Driver['status'] = 'ok'
): IGpuState {
  const taken = sample(1, { devices: readings });
  return {
    phase: 'live',
    answer: answerWith([taken], { devices, driver: driver(status) }),
    sample: taken,
    problem: null,
    receivedAt: 0
  };
}

const rowsOf = (state: IGpuState) =>
  deviceRows(state.answer?.devices ?? [], state.sample, words);

const said = (state: IGpuState) => answer(state, rowsOf(state), words);

const used = (uuid: string) => reading(uuid, { processes: [process(1)] });

describe('the answer', () => {
  it('says how many GPUs there are and how many are free', () => {
    const two = [device(0), device(1)];
    assert.equal(
      said(live(two, [used('GPU-0'), reading('GPU-1')])),
      '2 GPUs, 1 free'
    );
    assert.equal(
      said(live(two, [reading('GPU-0'), reading('GPU-1')])),
      '2 GPUs, all free'
    );
    assert.equal(
      said(live(two, [used('GPU-0'), used('GPU-1')])),
      'Both GPUs are in use'
    );
    assert.equal(said(live([device(0)], [reading('GPU-0')])), '1 GPU, free');
    assert.equal(said(live([device(0)], [used('GPU-0')])), 'The GPU is in use');
  });

  it('does not hide a lost GPU', () => {
    assert.equal(
      said(
        live(
          [device(0), device(1)],
          [reading('GPU-0'), reading('GPU-1', { status: 'lost' })]
        )
      ),
      '2 GPUs, 1 free, 1 not readable'
    );
  });

  it('counts the instances of a split GPU', () => {
    const mig = device(0, {
      uuid: 'MIG-0',
      mig_parent: 'GPU-0',
      memory_total: GIB
    });
    assert.equal(
      said(
        live(
          [device(0, { mig_enabled: true }), mig],
          [used('GPU-0'), reading('MIG-0')]
        )
      ),
      '1 MIG instance, free'
    );
  });

  it('names the state of the driver where there is no device', () => {
    assert.equal(said(live([], [], 'missing')), 'No GPU on this machine');
    assert.equal(said(live([], [], 'mismatch')), 'GPU driver mismatch');
    assert.equal(said(LOADING), 'Looking at the GPUs…');
  });

  it('says who refused when the server did', () => {
    const refused = (status: number, code: string): IGpuState => ({
      ...LOADING,
      phase: 'refused',
      problem: new ApiError(status, code, 'No.')
    });
    assert.match(said(refused(403, 'auth.forbidden')), /may not see/);
    assert.match(said(refused(503, 'config.invalid')), /settings/);
    assert.match(said(refused(404, 'http.404')), /not running/);
  });
});

describe('yours', () => {
  const line = (...notebooks: string[]) => {
    const taken = sample(1, {
      kernels: [...notebooks, 'idle.ipynb'].map(name => kernel(name)),
      devices: [
        reading('GPU-0', {
          processes: notebooks.map((name, index) => owned(index + 1, name))
        })
      ]
    });
    const rows = deviceRows([device(0)], taken, words);
    return yours(kernelRows(taken, rows, words), words);
  };

  it('names the notebook that computes, or counts them', () => {
    assert.equal(line('a/train.ipynb'), 'train.ipynb is on GPU 0');
    assert.equal(line('a.ipynb', 'b.ipynb'), '2 notebooks here are on GPU 0');
    assert.equal(line(), '');
  });

  it('names two devices in their order', () => {
    const taken = sample(1, {
      kernels: [kernel('a.ipynb'), kernel('b.ipynb')],
      devices: [
        reading('GPU-0', { processes: [owned(1, 'b.ipynb')] }),
        reading('GPU-1', { processes: [owned(2, 'a.ipynb')] })
      ]
    });
    const rows = deviceRows([device(0), device(1)], taken, words);
    assert.equal(
      yours(kernelRows(taken, rows, words), words),
      '2 notebooks here are on GPU 0 and GPU 1'
    );
  });
});

describe('the words in place of a plot', () => {
  const inPercent = (value: number | null) =>
    value === null ? 'n/a' : `${value} %`;
  const say = (values: (number | null)[]) =>
    plotSummary('Utilisation', values, '10 minutes', inPercent, words);

  it('tell the newest value and the range', () => {
    assert.equal(
      say([80, null, 100, 97]),
      'Utilisation 97 %, in the last 10 minutes between 80 % and 100 %'
    );
  });

  it('say what is steady, and what is not there', () => {
    assert.equal(say([5, 5]), 'Utilisation 5 %, steady for 10 minutes');
    assert.equal(say([null]), 'Utilisation: not available');
    assert.equal(say([]), 'Utilisation: not available');
  });
});

describe('the status bar', () => {
  const shown = (state: IGpuState) =>
    statusText(state, rowsOf(state), 0, words)?.text.replaceAll('\u00a0', ' ');

  it('shows mean load and memory over all GPUs', () => {
    assert.equal(
      shown(
        live(
          [device(0), device(1)],
          [
            reading('GPU-0', { utilization: 74, memory_used: 68 * GIB }),
            reading('GPU-1')
          ]
        )
      ),
      'GPU 37 % · 68.0 / 282 GiB'
    );
  });

  it('does not count the memory of MIG instances twice', () => {
    const mig = device(0, {
      uuid: 'MIG-0',
      mig_parent: 'GPU-0',
      memory_total: 16 * GIB
    });
    assert.equal(
      shown(
        live(
          [device(0, { mig_enabled: true }), mig],
          [
            reading('GPU-0', { utilization: null, memory_used: 2 * GIB }),
            reading('MIG-0', { utilization: null, memory_used: 2 * GIB })
          ]
        )
      ),
      'GPU 2.0 / 141 GiB'
    );
  });

  it('is quiet on a machine without GPU, and not where the driver is broken', () => {
    assert.equal(shown(live([], [], 'missing')), undefined);
    assert.equal(shown(live([], [], 'mismatch')), 'GPU: driver error');
  });
});

describe('an announcement', () => {
  const two = [device(0), device(1)];
  const well = live(two, [reading('GPU-0'), reading('GPU-1')]);
  const say = (before: IGpuState, after: IGpuState) =>
    announcement(before, after, rowsOf(after), words);

  it('is made when a device is lost', () => {
    const lost = live(two, [
      reading('GPU-0'),
      reading('GPU-1', { status: 'lost', problem: 'It fell off the bus.' })
    ]);
    assert.equal(say(well, lost), 'GPU 1: It fell off the bus.');
    assert.equal(say(lost, well), 'GPU 1 can be read again.');
  });

  it('is made when the server goes away and comes back', () => {
    const away: IGpuState = { ...well, phase: 'away' };
    assert.equal(say(well, away), 'The server does not answer.');
    assert.equal(say(away, well), '2 GPUs, all free');
  });

  it('is not made of figures', () => {
    const busier = live(two, [
      reading('GPU-0', { utilization: 90 }),
      reading('GPU-1')
    ]);
    assert.equal(say(well, busier), '');
  });
});
