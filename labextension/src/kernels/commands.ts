/** The commands about the GPUs of a kernel, for its menu, the palette, and other extensions. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Words } from '../format';
import { gpuIcon } from '../icons';
import { CommandIDs } from '../tokens';
import type { KernelActions } from './actions';
import { elsewhere, leasesOf, markOf } from './rows';
import type { Kernels } from './service';

type Args = ReadonlyPartialJSONObject;

export interface ICommandsOptions {
  readonly commands: JupyterFrontEnd['commands'];
  readonly palette: ICommandPalette | null;
  readonly service: Kernels;
  readonly actions: KernelActions;
  /** Of the document in front; `null`: it has none. */
  readonly current: () => { id: string; anchor: HTMLElement } | null;
  readonly words: Words;
}

export function addCommands(options: ICommandsOptions): void {
  const { commands, palette, service, actions, current, words } = options;
  /** The kernel that is meant: named, else the one in front. */
  const meant = ({ kernel }: Args): string | null =>
    typeof kernel === 'string' ? kernel : (current()?.id ?? null);
  const rows = () => service.leases.model.state.rows;
  const text = (value: unknown, otherwise: string) =>
    typeof value === 'string' ? value : otherwise;

  commands.addCommand(CommandIDs.kernelState, {
    label: args => text(args['text'], words.__('GPUs of This Kernel')),
    isEnabled: () => false,
    execute: () => undefined
  });
  commands.addCommand(CommandIDs.kernelMenu, {
    label: words.__('GPUs of This Notebook…'),
    caption: words.__('Request, attach, detach, extend or release'),
    icon: args => (args['toolbar'] ? undefined : gpuIcon),
    isEnabled: () => current() !== null,
    execute: () => {
      const found = current();
      if (found) {
        actions.open(found.id, found.anchor);
      }
    }
  });
  commands.addCommand(CommandIDs.attach, {
    label: args =>
      text(args['name'], words.__('Attach My GPU to This Notebook')),
    isEnabled: args => {
      const id = meant(args);
      return id !== null && elsewhere(rows(), id).length > 0;
    },
    execute: async args => {
      const id = meant(args);
      const lease = text(
        args['lease'],
        id === null ? '' : (elsewhere(rows(), id)[0]?.id ?? '')
      );
      if (id !== null && lease) {
        await actions.attach(id, lease);
      }
    }
  });
  commands.addCommand(CommandIDs.detach, {
    label: words.__('Detach, Keep the Lease'),
    isEnabled: args => leasesOf(rows(), meant(args)).active.length > 0,
    execute: async args => {
      const id = meant(args);
      if (id !== null) {
        await actions.detach(id);
      }
    }
  });
  commands.addCommand(CommandIDs.restart, {
    label: args =>
      typeof args['title'] === 'string'
        ? words.__('Restart %1 to Use It…', args['title'])
        : words.__('Restart This Notebook to Use Its GPU…'),
    isEnabled: args =>
      markOf(service.model.state.kernels.get(meant(args) ?? '')) === 'restart',
    execute: async args => {
      const id = meant(args);
      if (id !== null) {
        await actions.restart(id);
      }
    }
  });
  const own = [
    CommandIDs.kernelMenu,
    CommandIDs.attach,
    CommandIDs.detach,
    CommandIDs.restart
  ];
  for (const command of own) {
    palette?.addItem({ command, category: words.__('GPU') });
  }
  service.model.changed.connect(() => {
    for (const command of own) {
      commands.notifyCommandChanged(command);
    }
  });
}
