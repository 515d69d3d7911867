import gpus from './gpus/plugin';

export default [...gpus];
