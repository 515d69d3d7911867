/** Notebooks of the application, as far as this wing needs them. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ServerConnection, type Contents } from '@jupyterlab/services';
import type { Widget } from '@lumino/widgets';

import type { Words } from '../format';

/** A notebook that is open. Told by what it has, so that Lab's own package isn't loaded. */
interface INotebookWidget extends Widget {
  readonly context: {
    readonly path: string;
    readonly ready: Promise<void>;
    readonly model: { readonly dirty: boolean };
    save(): Promise<void>;
  };
  readonly content: Widget & {
    activeCellIndex: number;
    readonly widgets: readonly unknown[];
    scrollToItem?(index: number, align?: string): Promise<void>;
  };
}

function isNotebook(widget: unknown): widget is INotebookWidget {
  const found = widget as Partial<INotebookWidget> | null | undefined;
  return (
    found?.context !== undefined &&
    found.content !== undefined &&
    'activeCellIndex' in found.content
  );
}

function isDirty({ context }: INotebookWidget): boolean {
  return context.model.dirty;
}

/** The path of the notebook in front; `null`: there is none. */
export function inFront(app: JupyterFrontEnd): string | null {
  const widget = app.shell.currentWidget;
  return isNotebook(widget) ? widget.context.path : null;
}

/**
 * What is validated is what is on disk: save the open notebooks among `paths`, or below them.
 * Says how many there were.
 */
export async function save(
  app: JupyterFrontEnd,
  paths: readonly string[]
): Promise<number> {
  let saved = 0;
  for (const widget of app.shell.widgets('main')) {
    if (isNotebook(widget) && isDirty(widget)) {
      const path = pathOnServer(
        app.serviceManager.contents,
        widget.context.path
      );
      const isMeant = paths.some(
        one => one === '' || path === one || path?.startsWith(`${one}/`)
      );
      if (isMeant) {
        await widget.context.save();
        // It tells itself why it could not be.
        saved += isDirty(widget) ? 0 : 1;
      }
    }
  }
  return saved;
}

/** Open a notebook, and make one of its cells the active one. Tells if it is gone. */
export async function open(
  app: JupyterFrontEnd,
  path: string,
  cell: number | null,
  words: Words
): Promise<void> {
  let widget: unknown;
  try {
    widget = await app.commands.execute('docmanager:open', { path });
  } catch (reason) {
    if (!(reason instanceof ServerConnection.ResponseError)) {
      throw reason;
    }
    const told =
      reason.response.status === 404
        ? words.__('%1 is not there any more: renamed, or deleted.', path)
        : words.__('%1 can’t be opened: %2', path, reason.message);
    Notification.error(told, { autoClose: 5000 });
    return;
  }
  if (!isNotebook(widget)) {
    return;
  }
  app.shell.activateById(widget.id);
  if (cell !== null) {
    await widget.context.ready;
    const last = widget.content.widgets.length - 1;
    const index = Math.min(cell, last);
    widget.content.activeCellIndex = index;
    await widget.content.scrollToItem?.(index, 'center');
  }
}

/** A path as the server's own contents have it; `null`: it lies on another drive. */
export function pathOnServer(
  contents: Contents.IManager,
  path: string
): string | null {
  const drive = contents.driveName(path);
  // With real-time collaboration, the drive RTC has the server's files.
  return drive === '' || drive === 'RTC' ? contents.localPath(path) : null;
}
