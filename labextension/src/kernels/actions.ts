/** What a person can do with the GPUs of a kernel. None of these rejects: failures are told. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  Dialog,
  Notification,
  showDialog,
  type ISessionContext
} from '@jupyterlab/apputils';
import { KernelAPI, type ServerConnection } from '@jupyterlab/services';
import { MenuSvg } from '@jupyterlab/ui-components';

import { attempt } from '../attempt';
import type { Words } from '../format';
import { STEPS } from '../leases/actions';
import { localTimes } from '../leases/local-times';
import type { Label } from '../leases/sentences';
import { CommandIDs } from '../tokens';
import type { KernelAnswer } from '../wire';
import { kernelMenu } from './menu';
import { restartKey } from './notices';
import { named, restartLoss, titleOf, told } from './sentences';
import type { Kernels } from './service';

export interface IActionsOptions {
  readonly service: Kernels;
  readonly commands: JupyterFrontEnd['commands'];
  readonly settings: ServerConnection.ISettings;
  /** Of the open document whose kernel it is. */
  readonly sessionOf: (kernelId: string) => ISessionContext | null;
  readonly words: Words;
  readonly label: Label;
}

/** Milliseconds that an answer stays. */
const BRIEFLY = 6000;

export class KernelActions {
  constructor(private readonly _options: IActionsOptions) {
    const { commands, words } = _options;
    this._menu = new MenuSvg({ commands });
    this._menu.addClass('gpuctl-KernelMenu');
    // Before what was chosen begins: a dialog gives the focus back to where it was.
    this._menu.aboutToClose.connect(() => {
      this._before?.focus();
      this._before = null;
    });
    this._times = new MenuSvg({ commands });
    this._times.addClass('gpuctl-ExtendMenu');
    this._times.title.label = words.__('Extend');
  }

  /** Keys of notices that were answered in a dialog. */
  readonly answered = new Set<string>();

  /** What people call a kernel. */
  titleOf(kernelId: string): string {
    const { service, sessionOf, words } = this._options;
    const known = service.model.state.kernels.get(kernelId)?.notebook;
    return titleOf(known ?? sessionOf(kernelId)?.path ?? null, words);
  }

  /** Offer what can be done, under the element that was pressed. */
  open(kernelId: string, anchor: HTMLElement): void {
    const { service, label, words } = this._options;
    const { model } = service.leases;
    const { head, groups, extend } = kernelMenu(
      {
        kernelId,
        title: this.titleOf(kernelId),
        kernel: service.model.state.kernels.get(kernelId),
        titleOf: id => this.titleOf(id)
      },
      model.state.rows,
      label,
      model.now(),
      words
    );
    this._menu.clearItems();
    this._menu.addItem({
      command: CommandIDs.kernelState,
      args: { text: head }
    });
    if (extend) {
      this._times.clearItems();
      for (const by of [...STEPS, '']) {
        const args = { lease: extend.id, by };
        this._times.addItem({ command: CommandIDs.extend, args });
      }
    }
    groups.forEach((group, index) => {
      this._menu.addItem({ type: 'separator' });
      if (extend && group.some(entry => entry.command === CommandIDs.detach)) {
        this._menu.addItem({ type: 'submenu', submenu: this._times });
      }
      for (const entry of groups[index] ?? []) {
        this._menu.addItem({ ...entry });
      }
    });
    const { activeElement } = document;
    this._before = activeElement instanceof HTMLElement ? activeElement : null;
    const { left, bottom } = anchor.getBoundingClientRect();
    this._menu.open(left, bottom);
    // From the keyboard, the first thing that can be done.
    this._menu.activateNextItem();
  }

  async attach(kernelId: string, leaseId: string): Promise<void> {
    await this._try(async () => {
      const { service, label, words } = this._options;
      const { rows } = service.leases.model.state;
      const lease = rows.active.find(({ id }) => id === leaseId);
      const what = lease ? named(lease, label, words) : words.__('The GPU');
      const kernel = await service.attach(kernelId, leaseId);
      if (kernel.applied === 'restart') {
        await this._offerRestart(kernel, what, words.__('Later'));
      } else {
        this._say(told(kernel, this.titleOf(kernelId), what, words));
      }
    });
  }

  async detach(kernelId: string): Promise<void> {
    await this._try(async () => {
      const { service, words } = this._options;
      const kernel = await service.detach(kernelId);
      if (kernel.applied === 'restart') {
        await this._offerRestart(kernel, '', words.__('Later'));
      } else {
        this._say(
          words.__(
            'Detached from %1. The lease stays yours: attach it elsewhere, or release it.',
            this.titleOf(kernelId)
          )
        );
      }
    });
  }

  /** Says what is lost, and restarts it where a person wants that. */
  async restart(kernelId: string): Promise<void> {
    await this._try(async () => {
      const { service, label, words } = this._options;
      const kernel = service.model.state.kernels.get(kernelId);
      if (kernel) {
        const { devices } = kernel;
        const what = named({ devices, gpus: devices.length }, label, words);
        await this._offerRestart(kernel, what, words.__('Cancel'));
      }
    });
  }

  async interrupt(kernelId: string): Promise<void> {
    await this._try(async () => {
      await KernelAPI.interruptKernel(kernelId, this._options.settings);
    });
  }

  async keep(leaseId: string): Promise<void> {
    await this._try(() => this._options.service.keep(leaseId));
  }

  release(leaseId: string): void {
    void this._options.commands.execute(CommandIDs.release, { lease: leaseId });
  }

  private async _offerRestart(
    kernel: KernelAnswer,
    what: string,
    otherwise: string
  ): Promise<void> {
    const { service, sessionOf, settings, words } = this._options;
    const id = kernel.kernel_id;
    const title = this.titleOf(id);
    this.answered.add(restartKey(kernel));
    const { button } = await showDialog({
      title: words.__('Restart %1?', title),
      body: restartLoss(kernel, title, what, words),
      buttons: [
        Dialog.cancelButton({ label: otherwise }),
        Dialog.warnButton({ label: words.__('Restart') })
      ],
      // Enter must not cost anybody their variables.
      defaultButton: 0
    });
    if (!button.accept) {
      return;
    }
    const session = sessionOf(id);
    await (session
      ? session.restartKernel()
      : KernelAPI.restartKernel(id, settings));
    service.refresh();
  }

  private _say(message: string): void {
    Notification.success(message, { autoClose: BRIEFLY });
  }

  private _try(call: () => Promise<void>): Promise<void> {
    const { service, words } = this._options;
    return attempt(call, words, text =>
      localTimes(text, service.leases.model.now(), words)
    );
  }

  /** What had the focus before the menu. */
  private _before: HTMLElement | null = null;
  private readonly _menu: MenuSvg;
  private readonly _times: MenuSvg;
}
