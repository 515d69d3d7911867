/** The commands of leases, for the palette, for the menu of times, and for other extensions. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Words } from '../format';
import { gpuIcon } from '../icons';
import { CommandIDs } from '../tokens';
import type { LeaseAnswer } from '../wire';
import type { LeaseActions } from './actions';
import type { Leases } from './service';
import { span } from './times';

type Args = ReadonlyPartialJSONObject;

export function addCommands(
  commands: JupyterFrontEnd['commands'],
  palette: ICommandPalette | null,
  service: Leases,
  actions: LeaseActions,
  words: Words
): void {
  const { model } = service;
  const isLive = () => model.state.phase === 'live';
  /** The lease that is meant: named, else the first. */
  const meant = (among: 'active' | 'offered' | 'queued', args: Args) => {
    const leases = model.state.rows[among];
    return args['lease'] === undefined
      ? leases[0]
      : leases.find(({ id }) => id === args['lease']);
  };
  const add = (
    command: string,
    label: string | ((args: Args) => string),
    among: 'active' | 'offered' | 'queued',
    act: (lease: LeaseAnswer, args: Args) => void
  ) => {
    commands.addCommand(command, {
      label,
      isEnabled: args => isLive() && meant(among, args) !== undefined,
      execute: args => {
        const lease = meant(among, args);
        if (lease) {
          act(lease, args);
        }
      }
    });
  };

  commands.addCommand(CommandIDs.request, {
    label: ({ title }) =>
      typeof title === 'string'
        ? words.__('Request a GPU for %1…', title)
        : words.__('Request a GPU…'),
    caption: words.__('Ask for GPUs for some time, or get in line for them'),
    icon: gpuIcon,
    isEnabled: () => isLive() && (model.state.quota?.largest ?? 0) > 0,
    execute: args => {
      const { model: name, kernel, title } = args;
      actions.request(
        typeof name === 'string' ? name : undefined,
        typeof kernel === 'string' && typeof title === 'string'
          ? { id: kernel, title }
          : undefined
      );
    }
  });
  add(
    CommandIDs.extend,
    ({ by }) =>
      typeof by !== 'string'
        ? words.__('Extend My GPU Lease…')
        : by === ''
          ? words.__('Another time…')
          : words.__('By %1', span(secondsOf(by))),
    'active',
    (lease, { by }) => {
      void actions.extendBy(lease, typeof by === 'string' ? by : '');
    }
  );
  add(
    CommandIDs.release,
    ({ name }) =>
      typeof name === 'string'
        ? words.__('Release %1…', name)
        : words.__('Release My GPU…'),
    'active',
    lease => {
      actions.release(lease);
    }
  );
  add(CommandIDs.cancel, words.__('Leave the Line…'), 'queued', lease => {
    actions.cancel(lease);
  });
  add(
    CommandIDs.accept,
    words.__('Accept the Offered GPU'),
    'offered',
    lease => {
      actions.accept(lease);
    }
  );
  add(
    CommandIDs.decline,
    words.__('Decline the Offered GPU'),
    'offered',
    lease => {
      actions.decline(lease);
    }
  );
  const own = [
    CommandIDs.request,
    CommandIDs.extend,
    CommandIDs.release,
    CommandIDs.accept,
    CommandIDs.decline,
    CommandIDs.cancel
  ];
  for (const command of own) {
    palette?.addItem({ command, category: words.__('GPU') });
  }
  model.changed.connect(() => {
    for (const command of own) {
      commands.notifyCommandChanged(command);
    }
  });
}

/** Of the menu's own steps: whole minutes or hours. */
function secondsOf(step: string): number {
  return parseInt(step, 10) * (step.endsWith('h') ? 3600 : 60);
}
