/** What all transactions share: merchants by popularity, users, currencies and their limits. */
#include "lakegen.h"

#include <math.h>
#include <stdlib.h>

const lg_currency lg_currencies[LG_N_CURRENCIES] = {
    {"USD", 2, 0.44, 1.0, INT64_C(100000000)},
    {"EUR", 2, 0.30, 0.92, INT64_C(100000000)},
    {"GBP", 2, 0.14, 0.79, INT64_C(85000000)},
    {"JPY", 0, 0.08, 149.0, INT64_C(15000000000)},
    {"KWD", 3, 0.02, 0.31, 0},
    {"BHD", 3, 0.02, 0.377, 0},
};

double lg_normal(lg_rng *rng) {
  double u = 1.0 - lg_unit(rng), v = lg_unit(rng);
  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static uint32_t clamp(uint64_t value, uint32_t low, uint32_t high) {
  return value < low ? low : value > high ? high : (uint32_t)value;
}

int lg_world_init(lg_world *world, const lg_options *options) {
  world->options = options;
  world->n_merchants = clamp(options->n_transactions / 20, 40, 2000);
  world->n_users = clamp(options->n_transactions / 5, 20, 5000000);
  world->merchant_cdf = malloc(world->n_merchants * sizeof *world->merchant_cdf);
  if (!world->merchant_cdf) return -1;
  double sum = 0;
  for (uint32_t i = 0; i < world->n_merchants; i++) world->merchant_cdf[i] = sum += 1.0 / pow(i + 4.0, 0.95);
  for (uint32_t i = 0; i < world->n_merchants; i++) world->merchant_cdf[i] /= sum;
  return 0;
}

void lg_world_fini(lg_world *world) {
  free(world->merchant_cdf);
}

uint32_t lg_world_merchant(const lg_world *world, lg_rng *rng) {
  double u = lg_unit(rng);
  uint32_t low = 0, high = world->n_merchants - 1;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (world->merchant_cdf[middle] < u)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

uint32_t lg_world_home_currency(const lg_world *world, uint32_t merchant) {
  lg_rng rng = lg_rng_of(world->options->seed, 2, merchant);
  double u = lg_unit(&rng);
  for (uint32_t i = 0; i < LG_N_CURRENCIES - 1; i++)
    if ((u -= lg_currencies[i].weight) < 0) return i;
  return LG_N_CURRENCIES - 1;
}
