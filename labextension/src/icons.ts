import { LabIcon } from '@jupyterlab/ui-components';

/** A graphics card: a board with one fan and its connectors. */
export const gpuIcon = new LabIcon({
  name: 'jupyter-gpuctl:gpu',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" fill-rule="evenodd" d="M1 4h2v1h18a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 21 17h-2v2.5h-9V17H3v3.500H1zM4.500 6.500a1 1 0 0 0-1 1v7a1 1 0 0 0 1 1h15a1 1 0 0 0 1-1v-7a1 1 0 0 0-1-1zm7.500 .750a3.750 3.750 0 1 1 0 7.500 3.750 3.750 0 0 1 0-7.500zm0 2.250a1.500 1.500 0 1 0 0 3 1.500 1.500 0 0 0 0-3z"/>
</svg>`
});

/** A page with a tick: a notebook that was tried. */
export const validationIcon = new LabIcon({
  name: 'jupyter-gpuctl:validation',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" fill-rule="evenodd" d="M5 2h14a2 2 0 0 1 2 2v16a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm0 2v16h14V4zm5.500 12.400L6.600 12.500l1.400-1.400 2.500 2.500 5.500-5.500 1.400 1.400z"/>
</svg>`
});
