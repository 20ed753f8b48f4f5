/* How fast the passes of the bootstrap could be: eight replicates in one vector, nothing else.
 *
 * limit FILE SECONDS reads the layout (see limit.py) and prints nanoseconds per cell and replicate of
 *   moments   z = E U, p = z / (1 + z), sums of n p, n p^2, n p^3 of each facility
 *   scatter   p again, the residual of the Laplace gradient, subtracted from its row of a table
 *   rates     predicted and expected, one divide each
 * E is a row of 8 doubles (one cache line) found by the pattern of the cell, U one row a facility.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef double v8 __attribute__((vector_size(64)));

static int64_t n_cells, n_patterns, n_facilities;
static int32_t *pattern;
static int64_t *pointer;
static double *cases;
static v8 *table, *gradient, *effect, *variance, *kappa, *sums;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void moments(void) {
  for (int64_t j = 0; j < n_facilities; j++) {
    v8 u = effect[j], p1 = {0}, p2 = {0}, p3 = {0};
    for (int64_t c = pointer[j]; c < pointer[j + 1]; c++) {
      v8 z = table[pattern[c]] * u;
      v8 p = z / (1.0 + z);
      v8 s = cases[c] * p;
      p1 += s;
      s *= p;
      p2 += s;
      p3 += s * p;
    }
    sums[3 * j] = p1;
    sums[3 * j + 1] = p2;
    sums[3 * j + 2] = p3;
  }
}

/* n p + f/2 (w' - kappa w) with w = n p (1 - p), w' = w (1 - 2 p), in its shortest form. */
static void scatter(void) {
  v8 *restrict to = gradient;
  const v8 *restrict from = table;
  const int32_t *restrict row = pattern;
  const double *restrict n = cases;
  for (int64_t j = 0; j < n_facilities; j++) {
    v8 u = effect[j], half_f = 0.5 * variance[j], rest = 1.0 - kappa[j];
    for (int64_t c = pointer[j]; c < pointer[j + 1]; c++) {
      v8 z = from[row[c]] * u;
      v8 p = z / (1.0 + z);
      to[row[c]] -= n[c] * p * (1.0 + half_f * (1.0 - p) * (rest - 2.0 * p));
    }
  }
}

static void rates(void) {
  for (int64_t j = 0; j < n_facilities; j++) {
    v8 u = effect[j], predicted = {0}, expected = {0};
    for (int64_t c = pointer[j]; c < pointer[j + 1]; c++) {
      v8 e = table[pattern[c]];
      v8 z = e * u;
      predicted += cases[c] * (z / (1.0 + z));
      expected += cases[c] * (e / (1.0 + e));
    }
    sums[3 * j] = predicted;
    sums[3 * j + 1] = expected;
  }
}

/* Fastest of the passes that fit into the given time, in nanoseconds per cell and replicate. */
static double measure(void (*pass)(void), double seconds) {
  double best = 1e300, end = now() + seconds;
  pass();
  do {
    double start = now();
    pass();
    double took = now() - start;
    if (took < best) best = took;
  } while (now() < end);
  return best / (8.0 * n_cells) * 1e9;
}

static void *rows(int64_t n) {
  v8 *memory = aligned_alloc(64, sizeof(v8) * (size_t)n);
  if (!memory) exit(3);
  return memory;
}

static void fill(v8 *row, int64_t n, double low, double high) {
  for (int64_t i = 0; i < n; i++)
    for (int lane = 0; lane < 8; lane++) row[i][lane] = low + (high - low) * (rand() / (RAND_MAX + 1.0));
}

static void read_exactly(void *to, size_t bytes, FILE *file) {
  if (fread(to, 1, bytes, file) != bytes) {
    fprintf(stderr, "the layout file ends too early\n");
    exit(2);
  }
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (!file) {
    fprintf(stderr, "usage: limit LAYOUT_FILE SECONDS_PER_PASS\n");
    return 2;
  }
  double seconds = atof(argv[2]);
  int64_t head[3];
  read_exactly(head, sizeof head, file);
  n_cells = head[0], n_patterns = head[1], n_facilities = head[2];
  pattern = malloc(sizeof(int32_t) * (size_t)n_cells);
  cases = malloc(sizeof(double) * (size_t)n_cells);
  pointer = malloc(sizeof(int64_t) * (size_t)(n_facilities + 1));
  if (!pattern || !cases || !pointer) return 3;
  read_exactly(pointer, sizeof(int64_t) * (size_t)(n_facilities + 1), file);
  read_exactly(cases, sizeof(double) * (size_t)n_cells, file);
  read_exactly(pattern, sizeof(int32_t) * (size_t)n_cells, file);
  fclose(file);
  table = rows(n_patterns), gradient = rows(n_patterns);
  effect = rows(n_facilities), variance = rows(n_facilities), kappa = rows(n_facilities);
  sums = rows(3 * n_facilities);
  fill(table, n_patterns, 0.005, 0.05);
  fill(gradient, n_patterns, 0.0, 0.0);
  fill(effect, n_facilities, 0.7, 1.4);
  fill(variance, n_facilities, 0.01, 0.09);
  fill(kappa, n_facilities, 0.1, 0.9);
  double a = measure(moments, seconds), b = measure(scatter, seconds), c = measure(rates, seconds);
  double check = 0.0; /* printed, so that no pass can be optimised away */
  for (int lane = 0; lane < 8; lane++) check += sums[0][lane] + gradient[pattern[0]][lane];
  printf("{\"moments_ns\": %.5f, \"scatter_ns\": %.5f, \"rates_ns\": %.5f, \"check\": %.6g}\n", a, b, c, check);
  return 0;
}
