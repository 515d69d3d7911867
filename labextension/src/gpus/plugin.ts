/** Joins the GPU parts to the application. */

import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';

import { gpuIcon } from '../icons';
import { get } from '../request';
import { CommandIDs, IGpus } from '../tokens';
import { Folds } from './folds';
import { GpuModel } from './model';
import { GpuPanel } from './panel';
import { Gpus } from './service';
import { readSettings } from './settings';
import { GpuStatus } from './status';

/** The translation domain: the Python package's name. */
const DOMAIN = 'jupyter_gpuctl';

const FOLDS = 'jupyter-gpuctl:folds';

const now = () => Date.now();

/** Knows the GPUs; asks the server while somebody looks. */
const gpus: JupyterFrontEndPlugin<IGpus> = {
  id: 'jupyter-gpuctl:gpus',
  description: 'Knows the GPUs of the machine that the server runs on.',
  autoStart: true,
  optional: [ISettingRegistry, IStateDB],
  provides: IGpus,
  activate: (
    app: JupyterFrontEnd,
    registry: ISettingRegistry | null,
    stateDB: IStateDB | null
  ): IGpus => {
    const { serverSettings } = app.serviceManager;
    const model = new GpuModel({
      ask: since => get('/gpus', { query: { since } }, serverSettings),
      now
    });
    const service = new Gpus(
      model,
      new Folds(open => void stateDB?.save(FOLDS, open))
    );
    // Neither is waited for: both may come only after the application has been restored.
    void restoreFolds(stateDB, service.folds);
    void followSettings(registry, service);
    return service;
  }
};

async function restoreFolds(
  stateDB: IStateDB | null,
  folds: Folds
): Promise<void> {
  const saved = await stateDB?.fetch(FOLDS).catch(() => undefined);
  folds.restore(saved ?? {});
}

async function followSettings(
  registry: ISettingRegistry | null,
  service: Gpus
): Promise<void> {
  try {
    const settings = await registry?.load(gpus.id);
    const update = () => {
      service.settings = readSettings(settings?.composite ?? {});
    };
    settings?.changed.connect(update);
    update();
  } catch (reason) {
    console.error(`No settings for ${gpus.id}; the defaults hold.`, reason);
  }
}

/** The side panel and its commands. */
const panel: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpuctl:panel',
  description: 'The GPU panel at the right.',
  autoStart: true,
  requires: [IGpus],
  optional: [ITranslator, ICommandPalette, ILabShell, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    service: IGpus,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const words = (translator ?? nullTranslator).load(DOMAIN);
    const { commands, shell } = app;
    const run = (command: string, args: Record<string, string>) => {
      commands.execute(command, args).catch((reason: unknown) => {
        console.error(`${command} failed`, reason);
      });
    };
    const widget = new GpuPanel({
      model: service.model,
      folds: service.folds,
      shown: () => service.settings,
      parts: service,
      words,
      now,
      open: (path, kind) => {
        const console =
          kind === 'console' && commands.hasCommand('console:open');
        run(console ? 'console:open' : 'docmanager:open', { path });
      },
      refresh: () => {
        service.refresh();
      },
      // Asked when it is needed: the editor may come after this plugin.
      hasSettings: () => commands.hasCommand('settingeditor:open'),
      openSettings: () => {
        run('settingeditor:open', { query: words.__('GPUs') });
      }
    });
    service.settingsChanged.connect(() => {
      widget.update();
    });
    shell.add(widget, 'right', { rank: 650, type: 'GPUs' });
    restorer?.add(widget, widget.id);

    commands.addCommand(CommandIDs.show, {
      label: words.__('Show GPU Panel'),
      caption: words.__('What each GPU does, and whose notebook does it'),
      icon: gpuIcon,
      execute: () => {
        if (labShell?.isSideTabBarVisible('right') === false) {
          labShell.toggleSideTabBarVisibility('right');
        }
        shell.activateById(widget.id);
      }
    });
    commands.addCommand(CommandIDs.refresh, {
      label: words.__('Refresh GPU Values'),
      icon: refreshIcon,
      execute: () => {
        service.refresh();
      }
    });
    for (const command of [CommandIDs.show, CommandIDs.refresh]) {
      palette?.addItem({ command, category: words.__('GPU') });
    }
  }
};

/** The item in the status bar, where the application has one. */
const status: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpuctl:status',
  description: 'GPU load and memory in the status bar.',
  autoStart: true,
  requires: [IGpus],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    service: IGpus,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    if (!statusBar) {
      return;
    }
    const item = new GpuStatus({
      model: service.model,
      parts: service,
      words: (translator ?? nullTranslator).load(DOMAIN),
      now,
      open: () => void app.commands.execute(CommandIDs.show)
    });
    statusBar.registerStatusItem('jupyter-gpuctl:status', {
      item,
      align: 'left',
      rank: 90,
      isActive: () => service.settings.statusBar,
      activeStateChanged: service.settingsChanged
    });
  }
};

export default [gpus, panel, status];
