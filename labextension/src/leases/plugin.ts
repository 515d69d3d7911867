/** Joins leases to the application and to the GPU panel. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { Words } from '../format';
import { labels } from '../gpus/labels';
import { deviceRows, kernelRows } from '../gpus/rows';
import { Notifications } from '../notifications';
import { CommandIDs, IGpus, ILeases } from '../tokens';
import { LeaseActions } from './actions';
import { leaseApi } from './api';
import { addCommands } from './commands';
import {
  endedNotice,
  standingNotices,
  startedNotice,
  type INotice,
  type NoticeAction
} from './notices';
import { LeasePart } from './part';
import type { Label } from './sentences';
import { Leases } from './service';

/** The translation domain: the Python package's name. */
const DOMAIN = 'jupyter_gpuctl';

/** The Jupyter event that tells of a change; the part before the version. */
const EVENT = 'https://events.jupyter.org/jupyter_gpuctl/lease/';

const leases: JupyterFrontEndPlugin<ILeases> = {
  id: 'jupyter-gpuctl:leases',
  description: 'Requests, leases and the queue for GPUs.',
  autoStart: true,
  requires: [IGpus],
  optional: [ITranslator, ICommandPalette],
  provides: ILeases,
  activate: (
    app: JupyterFrontEnd,
    gpus: IGpus,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ): ILeases => {
    const words = (translator ?? nullTranslator).load(DOMAIN);
    const { commands, serviceManager } = app;
    const service = new Leases({
      api: leaseApi(serviceManager.serverSettings),
      now: () => Date.now(),
      isSeen: () => gpus.model.wanted === 'history' && !document.hidden
    });
    const label = labels(gpus, words);
    const actions = new LeaseActions({
      service,
      commands,
      words,
      label,
      computing: uuids => computing(gpus, uuids, words)
    });
    gpus.addPart(
      new LeasePart({
        service,
        actions,
        words,
        label,
        isAway: () => gpus.model.state.phase === 'away'
      })
    );
    addCommands(commands, palette, service, actions, words);
    tell(service, actions, label, words, () => {
      void commands.execute(CommandIDs.request);
    });
    follow(app, gpus, service);
    return service;
  }
};

/** Ask when something may have changed: an event, a look at the panel, the server's return. */
function follow(app: JupyterFrontEnd, gpus: IGpus, service: Leases): void {
  app.serviceManager.events.stream.connect((_, { schema_id }) => {
    if (schema_id.startsWith(EVENT)) {
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
  let { phase } = gpus.model.state;
  gpus.model.changed.connect(({ state }) => {
    if (state.phase !== phase) {
      ({ phase } = state);
      service.refresh();
    }
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
      service.refresh();
    }
  });
}

/** Keep the notifications in step with what there is to tell. */
function tell(
  service: Leases,
  actions: LeaseActions,
  label: Label,
  words: Words,
  request: () => void
): void {
  const { model } = service;
  const notifications = new Notifications<NoticeAction, INotice>({
    labels: {
      accept: words.__('Accept'),
      decline: words.__('Decline'),
      extend: words.__('Extend by 1 hour'),
      release: words.__('Release…'),
      request: words.__('Request again')
    },
    act: (action, { lease }) => {
      switch (action) {
        case 'accept':
          actions.accept(lease);
          break;
        case 'decline':
          actions.decline(lease);
          break;
        case 'extend':
          void actions.extendBy(lease, '1h');
          break;
        case 'release':
          actions.release(lease);
          break;
        case 'request':
          request();
          break;
      }
    }
  });
  service.ticked.connect(() => {
    notifications.reconcile(
      standingNotices(model.state.rows, label, model.now(), words)
    );
  });
  const ends = new Map<string, INotice>();
  const tellEnds = (): void => {
    for (const [id, notice] of ends) {
      if (service.endsLeft.has(id)) {
        notifications.withdraw(notice);
      } else {
        notifications.tell(notice);
      }
    }
  };
  service.turned.connect((_, { kind, lease }) => {
    const notice =
      kind === 'started'
        ? startedNotice(lease, label, model.now(), words)
        : endedNotice(lease, label, words);
    if (notice && kind === 'ended') {
      ends.set(lease.id, notice);
      tellEnds();
    } else if (notice) {
      notifications.tell(notice);
    }
  });
  service.endsLeftChanged.connect(tellEnds);
}

/** The notebooks of this server that compute on any of these devices. */
function computing(
  gpus: IGpus,
  uuids: readonly string[],
  words: Words
): string[] {
  const { answer, sample } = gpus.model.state;
  const rows = deviceRows(answer?.devices ?? [], sample, words);
  return kernelRows(sample, rows, words)
    .filter(({ devices }) =>
      devices.some(({ device }) => uuids.includes(device.uuid))
    )
    .map(({ title }) => title);
}

export default [leases];
