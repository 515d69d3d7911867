/** What every component of the panel is handed. */

import type { Words } from '../../format';
import type { IPanelPart } from '../../tokens';
import type { Folds } from '../folds';
import type { History } from '../history';

export interface IPanelContext {
  readonly words: Words;
  readonly folds: Folds;
  readonly history: History;
  /** What other wings add. */
  readonly parts: readonly IPanelPart[];
  /** Changes when the history has grown. */
  readonly version: number;
  /** Go to the document of a kernel of this server. */
  readonly open: (path: string, kernelId: string | null) => void;
  /** Whether a kernel runs on this server, so that its document can be opened here. */
  readonly isHere: (kernelId: string | null) => boolean;
}
