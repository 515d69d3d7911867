/** Joins validations to the application: commands, dialog, tabs, notification of the end. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  Notification,
  WidgetTracker
} from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { attempt } from '../attempt';
import type { Words } from '../format';
import { CommandIDs, IGpus } from '../tokens';
import type { ReportFormat, ValidationAnswer, ValidationBody } from '../wire';
import { validationApi, type IValidationApi } from './api';
import { addCommands } from './commands';
import { ValidationDialog } from './dialog';
import { Follower } from './follower';
import { LimitForm } from './form';
import { open, save } from './notebooks';
import { isGood, standing, subject } from './sentences';
import { ReportTab, ValidationTab } from './tabs';

/** The translation domain: the Python package's name. */
const DOMAIN = 'jupyter_gpuctl';

const LIMITS = 'jupyter-gpuctl:validation-limits';

const ENDINGS = {
  html: ['html', 'text/html'],
  json: ['json', 'application/json'],
  junit: ['xml', 'application/xml'],
  markdown: ['md', 'text/markdown']
} as const;

const validation: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpuctl:validation',
  description: 'Validates notebooks and folders under limits.',
  autoStart: true,
  optional: [
    ITranslator,
    ICommandPalette,
    ILayoutRestorer,
    IStateDB,
    IDefaultFileBrowser,
    IGpus
  ],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    stateDB: IStateDB | null,
    browser: IDefaultFileBrowser | null,
    gpus: IGpus | null
  ): void => {
    const words = (translator ?? nullTranslator).load(DOMAIN);
    const api = validationApi(app.serviceManager.serverSettings);
    const tabs = new Tabs(app, api, words, paths => validate(paths));

    async function validate(paths: readonly string[]): Promise<void> {
      const saved = await save(app, paths);
      const before = await stateDB?.fetch(LIMITS).catch(() => undefined);
      const hasGpus = await seesGpus(gpus);
      const start = (body: ValidationBody) => api.start(body);
      const form = new LimitForm(start, paths, before, hasGpus);
      const dialog = new ValidationDialog({ form, saved, words });
      await dialog.launch();
      if (dialog.answer) {
        void stateDB?.save(LIMITS, { ...form.state.fields });
        tabs.show(dialog.answer.id);
      }
    }

    addCommands({
      app,
      api,
      browser,
      palette,
      validate,
      show: (id, isRestored) => {
        if (isRestored) {
          tabs.restore(id);
        } else {
          tabs.show(id);
        }
      },
      words
    });
    void restorer?.restore(tabs.tracker, {
      command: CommandIDs.showValidation,
      args: ({ content }) => ({
        id: content.follower.id,
        isRestored: true
      }),
      name: ({ content }) => content.follower.id
    });
  }
};

/** Whether the server's machine has GPUs; not, if it can't say. */
async function seesGpus(gpus: IGpus | null): Promise<boolean> {
  if (gpus && !gpus.model.state.answer) {
    await gpus.model.refresh().catch(() => undefined);
  }
  return Boolean(gpus?.model.state.answer?.devices.length);
}

/** The tabs of this page: at most one for each validation. */
class Tabs {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _api: IValidationApi,
    private readonly _words: Words,
    private readonly _again: (paths: readonly string[]) => Promise<void>
  ) {
    this.tracker = new WidgetTracker({
      namespace: 'jupyter-gpuctl-validation'
    });
  }

  readonly tracker: WidgetTracker<MainAreaWidget<ValidationTab>>;

  show(id: string): void {
    const found = this.tracker.find(
      ({ content }) => content.follower.id === id
    );
    const widget = found ?? this._make(id);
    this._place(widget);
  }

  /** A tab of an earlier page; none if the server was started anew since. */
  restore(id: string): void {
    this.show(id);
    const widget = this.tracker.find(
      ({ content }) => content.follower.id === id
    );
    const follower = widget?.content.follower;
    follower?.changed.connect(() => {
      const { answer, isLost } = follower.state;
      if (isLost && answer === null) {
        widget?.dispose();
      }
    });
  }

  private _place(widget: MainAreaWidget): void {
    const { shell } = this._app;
    if (!widget.isAttached) {
      shell.add(widget, 'main');
    }
    shell.activateById(widget.id);
    void this._app.restored.then(() => {
      // The main area of Notebook 7 holds one widget, and takes no other.
      if (!widget.isAttached && !widget.isDisposed) {
        shell.add(widget, 'right');
        shell.activateById(widget.id);
      }
    });
  }

  private _make(id: string): MainAreaWidget<ValidationTab> {
    const words = this._words;
    let tab: ValidationTab | null = null;
    const isSeen = () => tab?.isVisible === true && !document.hidden;
    const follower = new Follower(id, this._api, isSeen);
    tab = new ValidationTab({
      follower,
      words,
      actions: {
        open: (path, cell) => void open(this._app, path, cell, words),
        cancel: () => void attempt(() => follower.cancel(), words),
        showReport: () => void attempt(() => this._showReport(follower), words),
        download: format =>
          void attempt(() => this._download(id, format), words),
        again: paths => void this._again(paths)
      }
    });
    follower.ended.connect((_, answer) => {
      if (!isSeen()) {
        this._tell(answer);
      }
    });
    const widget = new MainAreaWidget({ content: tab });
    widget.id = `${tab.id}-area`;
    widget.toolbar.hide();
    void this.tracker.add(widget);
    return widget;
  }

  private _tell(answer: ValidationAnswer): void {
    const words = this._words;
    const told = `${subject(answer.paths, words)}: ${standing(answer, words)}`;
    const type =
      answer.status === 'failed'
        ? 'error'
        : answer.notebooks.every(isGood)
          ? 'info'
          : 'warning';
    Notification.emit(told, type, {
      autoClose: 10_000,
      actions: [
        {
          label: words.__('Show'),
          callback: () => {
            this.show(answer.id);
          }
        }
      ]
    });
  }

  private async _showReport(follower: Follower): Promise<void> {
    const { shell } = this._app;
    const before = this._reports.get(follower.id);
    if (before && !before.isDisposed) {
      shell.activateById(before.id);
      return;
    }
    const report = await this._api.report(follower.id, 'html');
    const { answer } = follower.state;
    const title = subject(answer?.paths ?? [], this._words);
    const content = new ReportTab(follower.id, title, report, this._words);
    const widget = new MainAreaWidget({ content });
    widget.id = `${content.id}-area`;
    widget.toolbar.hide();
    this._reports.set(follower.id, widget);
    this._place(widget);
  }

  private async _download(id: string, format: ReportFormat): Promise<void> {
    const report = await this._api.report(id, format);
    const [ending, type] = ENDINGS[format];
    const url = URL.createObjectURL(new Blob([report], { type }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `validation-${id}.${ending}`;
    link.click();
    URL.revokeObjectURL(url);
  }

  private readonly _reports = new Map<string, MainAreaWidget<ReportTab>>();
}

export default [validation];
