/** Joins kernels and their GPUs to the application: toolbars, panel, notifications, palette. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  IToolbarWidgetRegistry,
  type ISessionContext
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';

import type { Words } from '../format';
import { labels } from '../gpus/labels';
import type { Label } from '../leases/sentences';
import { Notifications } from '../notifications';
import { CommandIDs, IGpus, ILeases } from '../tokens';
import { KernelActions } from './actions';
import { kernelApi } from './api';
import { addCommands } from './commands';
import { KernelGpus } from './components/toolbar';
import {
  kernelNotices,
  type IKernelNotice,
  type KernelAction
} from './notices';
import { KernelPart } from './part';
import { Kernels } from './service';

/** The translation domain: the Python package's name. */
const DOMAIN = 'jupyter_gpuctl';

/** The Jupyter events that tell of changes; the part before the version. */
const EVENTS =
  /^https:\/\/events\.jupyter\.org\/jupyter_gpuctl\/(kernel|lease)\//;

/** The toolbars that have the item, as the schema `kernels.json` places it. */
const TOOLBARS = ['Notebook', 'ConsolePanel'];
const ITEM = 'gpus';

/** A document with a kernel: a notebook, a console. */
interface IWithSession extends Widget {
  readonly sessionContext: ISessionContext;
}

const kernels: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpuctl:kernels',
  description: 'The GPUs of notebooks and consoles: attach, detach, restart.',
  autoStart: true,
  requires: [IGpus, ILeases],
  optional: [ITranslator, ICommandPalette, IToolbarWidgetRegistry],
  activate: (
    app: JupyterFrontEnd,
    gpus: IGpus,
    leases: ILeases,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    toolbars: IToolbarWidgetRegistry | null
  ): void => {
    const words = (translator ?? nullTranslator).load(DOMAIN);
    const { commands, serviceManager, shell } = app;
    const settings = serviceManager.serverSettings;
    const service = new Kernels({
      api: kernelApi(settings),
      leases,
      isSeen: () => gpus.model.wanted === 'history' && !document.hidden
    });
    const label = labels(gpus, words);
    const actions = new KernelActions({
      service,
      commands,
      settings,
      sessionOf: id => sessionOf(shell, id),
      words,
      label
    });
    gpus.addPart(new KernelPart({ service, actions, label, words }));
    for (const toolbar of TOOLBARS) {
      toolbars?.addFactory<IWithSession>(
        toolbar,
        ITEM,
        ({ sessionContext: session }) =>
          new KernelGpus({ service, actions, session, words, label })
      );
    }
    addCommands({
      commands,
      palette,
      service,
      actions,
      current: () => inFront(shell.currentWidget),
      words
    });
    tell(service, actions, commands, label, words);
    follow(app, gpus, service);
  }
};

function hasSession(widget: Widget | null): widget is IWithSession {
  return widget !== null && 'sessionContext' in widget;
}

function sessionOf(
  shell: JupyterFrontEnd.IShell,
  kernelId: string
): ISessionContext | null {
  for (const widget of shell.widgets('main')) {
    if (
      hasSession(widget) &&
      widget.sessionContext.session?.kernel?.id === kernelId
    ) {
      return widget.sessionContext;
    }
  }
  return null;
}

/** The kernel of the document in front, and its toolbar's item. */
function inFront(
  widget: Widget | null
): { id: string; anchor: HTMLElement } | null {
  const id = hasSession(widget)
    ? widget.sessionContext.session?.kernel?.id
    : undefined;
  if (!widget || id === undefined) {
    return null;
  }
  const item = widget.node.querySelector<HTMLElement>('.gpuctl-KernelGpus');
  return { id, anchor: item ?? widget.node };
}

/** Ask when something may have changed: an event, a look at the panel. */
function follow(app: JupyterFrontEnd, gpus: IGpus, service: Kernels): void {
  app.serviceManager.events.stream.connect((_, event) => {
    if (EVENTS.test(event.schema_id)) {
      if (
        event['kind'] === 'idle.reminded' &&
        typeof event['lease_id'] === 'string'
      ) {
        service.reminded.add(event['lease_id']);
      }
      service.refresh();
    }
  });
  let wasSeen = false;
  gpus.model.viewersChanged.connect(() => {
    const isSeen = gpus.model.wanted === 'history';
    if (isSeen && !wasSeen) {
      service.refresh();
    }
    wasSeen = isSeen;
  });
}

/** Keep the notifications in step with what there is to tell. */
function tell(
  service: Kernels,
  actions: KernelActions,
  commands: JupyterFrontEnd['commands'],
  label: Label,
  words: Words
): void {
  const started = Date.now();
  const act = (action: KernelAction, notice: IKernelNotice): void => {
    const { kernelId, leaseId } = notice;
    if (action === 'keep' && leaseId !== null) {
      void actions.keep(leaseId);
    } else if (action === 'release' && leaseId !== null) {
      actions.release(leaseId);
    } else if (action === 'restart' && kernelId !== null) {
      void actions.restart(kernelId);
    } else if (action === 'interrupt' && kernelId !== null) {
      void actions.interrupt(kernelId);
    } else if (action === 'request' && kernelId !== null) {
      const title = actions.titleOf(kernelId);
      void commands.execute(CommandIDs.request, { kernel: kernelId, title });
    } else if (action === 'panel') {
      void commands.execute(CommandIDs.show);
    }
  };
  const notifications = new Notifications<KernelAction, IKernelNotice>({
    labels: {
      keep: words.__('Keep'),
      release: words.__('Release…'),
      restart: words.__('Restart…'),
      interrupt: words.__('Stop it yourself'),
      panel: words.__('Show why'),
      request: words.__('Request again')
    },
    act
  });
  service.changed.connect(() => {
    const { model } = service.leases;
    const now = model.now();
    const { rows } = model.state;
    notifications.reconcile(
      kernelNotices(
        {
          state: service.model.state,
          rows,
          reminded: service.reminded,
          answered: actions.answered,
          since: started + (now - Date.now()),
          now
        },
        label,
        words
      )
    );
  });
}

export default [kernels];
