/* Stands in for libcuda.so.1: a program that has loaded it counts as having used CUDA. */

__attribute__((visibility("default"))) int cuInit(unsigned int flags) {
  return flags == 0 ? 0 : 1;
}
