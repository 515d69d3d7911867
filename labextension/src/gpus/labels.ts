/** What devices are called, and which notebooks compute on them, as far as the newest answer tells. */

import type { Words } from '../format';
import type { IGpus } from '../tokens';
import { deviceRows } from './rows';

/** How a device is called here, by its UUID: `GPU 0`; empty while that isn't known. */
export function labels(gpus: IGpus, words: Words): (uuid: string) => string {
  return uuid => {
    const { answer, sample } = gpus.model.state;
    if (!answer) {
      return '';
    }
    const rows = deviceRows(answer.devices, sample, words);
    const row = rows.find(({ device }) => device.uuid === uuid);
    return row?.label ?? words.__('GPU elsewhere');
  };
}
