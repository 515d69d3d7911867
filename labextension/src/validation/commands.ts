/** The commands: validate this notebook, this folder, what is selected; show a validation. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  InputDialog,
  Notification,
  type ICommandPalette
} from '@jupyterlab/apputils';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';

import { attempt } from '../attempt';
import type { Words } from '../format';
import { validationIcon } from '../icons';
import { CommandIDs } from '../tokens';
import type { IValidationApi } from './api';
import { inFront, pathOnServer } from './notebooks';
import { standing, subject } from './sentences';

export interface ICommandsOptions {
  readonly app: JupyterFrontEnd;
  readonly api: IValidationApi;
  readonly browser: IDefaultFileBrowser | null;
  readonly palette: ICommandPalette | null;
  readonly validate: (paths: readonly string[]) => Promise<void>;
  readonly show: (id: string, isRestored: boolean) => void;
  readonly words: Words;
}

export function addCommands(options: ICommandsOptions): void {
  const { app, browser, palette, show, words } = options;
  const { commands, serviceManager } = app;
  const validate = async (paths: readonly string[]) => {
    const local = paths.map(path =>
      pathOnServer(serviceManager.contents, path)
    );
    if (local.some(path => path === null)) {
      Notification.error(
        words.__('Only files of the Jupyter server itself can be validated.'),
        { autoClose: 5000 }
      );
      return;
    }
    await options.validate(local as string[]);
  };
  const selected = () =>
    [...(browser?.selectedItems() ?? [])].filter(
      ({ type }) => type === 'notebook' || type === 'directory'
    );

  commands.addCommand(CommandIDs.validateNotebook, {
    label: words.__('Validate This Notebook…'),
    caption: words.__('Run it from top to bottom, under limits'),
    icon: args => (args['isPalette'] ? undefined : validationIcon),
    isEnabled: () => inFront(app) !== null,
    execute: async () => {
      const path = inFront(app);
      if (path !== null) {
        await validate([path]);
      }
    }
  });
  commands.addCommand(CommandIDs.validateFolder, {
    label: args =>
      args['isPalette']
        ? words.__('Validate the Folder in the File Browser…')
        : words.__('Validate All Notebooks Here…'),
    caption: words.__('Run all notebooks of the folder, under limits'),
    icon: args => (args['isPalette'] ? undefined : validationIcon),
    isEnabled: args => typeof args['path'] === 'string' || browser !== null,
    execute: async args => {
      const { path } = args;
      await validate([
        typeof path === 'string' ? path : (browser?.model.path ?? '')
      ]);
    }
  });
  commands.addCommand(CommandIDs.validateSelected, {
    label: () => {
      const found = selected();
      if (found.length > 1) {
        return words.__('Validate These…');
      }
      return found[0]?.type === 'directory'
        ? words.__('Validate This Folder…')
        : words.__('Validate This Notebook…');
    },
    icon: validationIcon,
    isVisible: () => selected().length > 0,
    execute: () => validate(selected().map(({ path }) => path))
  });
  commands.addCommand(CommandIDs.showValidation, {
    label: words.__('Show a Validation…'),
    caption: words.__('Those that run, and the last ones that have ended'),
    execute: async args => {
      const { id } = args;
      if (typeof id === 'string') {
        show(id, args['isRestored'] === true);
      } else {
        await attempt(() => choose(options), words);
      }
    }
  });
  const own = [
    CommandIDs.validateNotebook,
    CommandIDs.validateFolder,
    CommandIDs.showValidation
  ];
  for (const command of own) {
    palette?.addItem({
      command,
      category: words.__('Validation'),
      args: { isPalette: true }
    });
  }
}

async function choose(options: ICommandsOptions): Promise<void> {
  const { api, show, words } = options;
  const { items } = await api.all();
  if (items.length === 0) {
    Notification.info(
      words.__('Nothing was validated since this server started.'),
      { autoClose: 5000 }
    );
    return;
  }
  const lines = items.map((item, position) => {
    const told = standing({ ...item, notebooks: [] }, words);
    const state = item.status === 'done' ? item.summary : told;
    const time = new Date(item.created_at).toLocaleTimeString([], {
      timeStyle: 'short'
    });
    const what = subject(item.paths, words);
    return `${position + 1}. ${time} ${what}: ${state}`;
  });
  const { button, value } = await InputDialog.getItem({
    title: words.__('Show which validation?'),
    items: lines,
    okLabel: words.__('Show'),
    cancelLabel: words.__('Cancel')
  });
  const found = items[lines.indexOf(value ?? '')];
  if (button.accept && found) {
    show(found.id, false);
  }
}
