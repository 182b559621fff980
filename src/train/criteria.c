// Atoms of the criteria (model/criteria.def): what a loss reads of the energy beside its values at answers. All are at the data of the
// batch, with respect to the variables the criterion is about; latents are eliminated by their own verbs.
#include "infer/sampler.h"
#include "train/inside.h"
#include <math.h>
#include <stdio.h>

enum { MOST_DIRECTIONS = 4096 };

static bool random_atom(nrg_atom_kind k) { return k == NRG_SLICE || k == NRG_BLUR || k == NRG_BELOW || k == NRG_RISE; }

bool nrg_criteria_draw(const nrg_model *m) {
    for (uint32_t i = 0; i < m->learns.n; i++)
        for (uint32_t k = 0; k < m->learns.at[i].atoms.n; k++)
            if (random_atom(m->learns.at[i].atoms.at[k].kind)) return true;
    return false;
}

// The variables it is about, as they lie in the data; total: of their numbers, laid end to end.
typedef struct {
    nrg_program *p;
    nrg_model *m;
    const nrg_bound *b;
    nrg_store *store;
    const nrg_atom *atom;
    uint32_t learn;
    int n;
    int32_t var[NRG_MAX_VARS];
    nrg_node x[NRG_MAX_VARS];
    nrg_shape shape[NRG_MAX_VARS];
    int64_t first[NRG_MAX_VARS], total; // where its numbers begin
} about;

static nrg_status look(about *a) {
    for (int32_t v = 0; v < (int32_t)a->m->vars.n; v++) {
        if (!(a->atom->over >> v & 1)) continue;
        a->var[a->n] = v;
        a->x[a->n] = nrg_scope_bound(a->p->scope, v);
        a->shape[a->n] = nrg_graph_node(a->p->g, a->x[a->n])->shape;
        a->first[a->n] = a->total;
        a->total += nrg_shape_count(&a->shape[a->n++]);
    }
    return NRG_OK;
}

static nrg_status refuse(const about *a, int j, const char *needs) {
    const nrg_var *v = &a->m->vars.at[a->var[j]];
    nrg_status s = nrg_fail(a->m->ctx, NRG_E026, a->m->learns.at[a->learn].span, "this criterion needs %s, but '%s' is not", needs, v->name);
    nrg_help(a->m->ctx, "score_matching, sliced_score, denoising and conditional_nce are for reals; pseudo_likelihood, ratio_matching and mpf for bits and signs; nce for both");
    return s;
}

static nrg_status need(const about *a, bool reals, const char *words) {
    for (int j = 0; j < a->n; j++) {
        nrg_elem e = a->m->vars.at[a->var[j]].elem;
        if (reals ? e != NRG_REAL : e != NRG_BIT && e != NRG_SIGN) return refuse(a, j, words);
    }
    return NRG_OK;
}

// beta F with the variables at x.
static nrg_status at(about *a, const nrg_node *x, nrg_node *U) {
    nrg_node F;
    for (int j = 0; j < a->n; j++) nrg_scope_bind(a->p->scope, a->var[j], x[j]);
    for (int32_t v = 0; v < (int32_t)a->m->vars.n; v++) // what was eliminated for the point before
        if (!((a->atom->data | a->atom->over) >> v & 1)) nrg_scope_bind(a->p->scope, v, NRG_BAD);
    TRY(nrg_infer_energy(a->p->inf, a->atom->data, 0, NRG_MARGINALIZE, &F, NULL));
    *U = nrg_mul(a->p->g, F, nrg_const(a->p->g, a->m->beta));
    return nrg_graph_check(a->p->g);
}

static nrg_node flat(nrg_graph *g, nrg_node x, int64_t n) { return nrg_reshape(g, x, nrg_shape_of(1, &n)); }

static nrg_node joined(about *a, const nrg_node *parts) {
    nrg_node all = NRG_BAD;
    for (int j = 0; j < a->n; j++) {
        nrg_node one = flat(a->p->g, parts[j], nrg_shape_count(&a->shape[j]));
        all = all.i ? nrg_concat(a->p->g, all, one, 0) : one;
    }
    return all;
}

static nrg_node random_for(about *a, nrg_random_kind kind, int j, uint32_t use, nrg_shape shape) {
    nrg_node ids = nrg_input(a->p->g, "train:id", NRG_SAMPLE, nrg_shape_of(0, NULL));
    return nrg_random(a->p->g, ids, kind, NRG_FOR_NOISE + 16u * (1 + (uint32_t)a->var[j] + NRG_MAX_VARS * (use + 8 * a->learn)) + (1u << 24), shape);
}

// ---- reals: slopes and curvature

static nrg_status slope(about *a, nrg_node *out) {
    nrg_node U, grad[NRG_MAX_VARS];
    TRY(need(a, true, "reals"));
    TRY(at(a, a->x, &U));
    TRY(nrg_grad(a->p->g, U, NRG_BAD, a->x, a->n, grad));
    *out = joined(a, grad);
    return NRG_OK;
}

// d' H d for directions d along a leading axis, summed over it.
static nrg_status along(about *a, nrg_leads lead, const nrg_node *d, nrg_node *out) {
    nrg_graph *g = a->p->g;
    nrg_node x[NRG_MAX_VARS], grad[NRG_MAX_VARS], back[NRG_MAX_VARS], U, s = nrg_const(g, 0), sum = nrg_const(g, 0);
    for (int j = 0; j < a->n; j++) x[j] = nrg_expand(g, a->x[j], a->shape[j], lead);
    TRY(at(a, x, &U));
    TRY(nrg_grad(g, U, NRG_BAD, x, a->n, grad));
    for (int j = 0; j < a->n; j++) s = nrg_add(g, s, nrg_sum_all(g, nrg_mul(g, grad[j], d[j])));
    TRY(nrg_grad(g, s, NRG_BAD, x, a->n, back));
    for (int j = 0; j < a->n; j++) sum = nrg_add(g, sum, nrg_sum_all(g, nrg_mul(g, back[j], d[j])));
    *out = nrg_graph_node(g, sum)->leads & lead ? nrg_reduce(g, NRG_OP_sum, sum, 0, lead, false)
                                                : nrg_mul(g, sum, nrg_const(g, (double)nrg_lead_extent(g, lead)));
    return nrg_graph_check(g);
}

static nrg_status too_many(const about *a) {
    nrg_status s = nrg_fail(a->m->ctx, NRG_E071, a->m->learns.at[a->learn].span, "one pass for each of %lld numbers; at most %d are built",
                            (long long)a->total, MOST_DIRECTIONS);
    nrg_help(a->m->ctx, "for reals take sliced_score or denoising");
    return s;
}

static nrg_status bend(about *a, nrg_node *out) {
    nrg_graph *g = a->p->g;
    nrg_node d[NRG_MAX_VARS];
    TRY(need(a, true, "reals"));
    if (a->total > MOST_DIRECTIONS) return too_many(a);
    nrg_leads lead = nrg_lead_new(g, "direction", a->total);
    for (int j = 0; j < a->n; j++) {
        nrg_node place = nrg_add(g, nrg_iota(g, nrg_shape_count(&a->shape[j])), nrg_const(g, (double)a->first[j]));
        d[j] = nrg_reshape(g, nrg_eq(g, place, nrg_iota_lead(g, lead)), a->shape[j]);
    }
    return along(a, lead, d, out);
}

static nrg_status count_of(const about *a, int64_t *out) {
    double n = 1;
    if (a->atom->arg) TRY(nrg_eval_number(a->m, a->atom->arg, &n));
    if (!(n >= 1 && n <= MOST_DIRECTIONS) || n != floor(n))
        return nrg_fail(a->m->ctx, NRG_E013, a->atom->arg->span, "%.6g: a whole number from 1 to %d is needed", n, MOST_DIRECTIONS);
    *out = (int64_t)n;
    return NRG_OK;
}

// Normal directions of each sample and step, one more axis in front.
static nrg_shape longer(nrg_shape s, int64_t n) {
    nrg_shape r = {.rank = s.rank + 1, .dim = {n}};
    for (int i = 0; i < s.rank; i++) r.dim[i + 1] = s.dim[i];
    return r;
}

static nrg_status slice(about *a, nrg_node *out) {
    nrg_graph *g = a->p->g;
    nrg_node d[NRG_MAX_VARS];
    int64_t k;
    TRY(need(a, true, "reals"));
    TRY(count_of(a, &k));
    nrg_leads lead = nrg_lead_new(g, "direction", k);
    for (int j = 0; j < a->n; j++) d[j] = nrg_lift(g, random_for(a, NRG_RANDOM_NORMAL, j, 0, longer(a->shape[j], k)), 0, lead);
    TRY(along(a, lead, d, out));
    *out = nrg_mul(g, *out, nrg_const(g, 1 / (double)k));
    return NRG_OK;
}

static nrg_status positive(const about *a) {
    for (int end = 0; end < 2; end++) {
        double sd;
        TRY(nrg_eval_schedule(a->m, a->atom->arg, end, &sd));
        if (!(sd > 0 && sd < INFINITY))
            return nrg_fail(a->m->ctx, NRG_E013, a->atom->arg->span, "sd is %.6g: a standard deviation above 0 is needed", sd);
    }
    return NRG_OK;
}

// The atom's argument as a node, and the data with so much normal noise.
static nrg_status noisy(about *a, nrg_node *size, nrg_node *noise, nrg_node *x) {
    nrg_graph *g = a->p->g;
    nrg_value sd;
    TRY(need(a, true, "reals"));
    TRY(positive(a));
    TRY(nrg_eval(a->p->scope, a->atom->arg, &sd));
    if (nrg_shape_count(&nrg_graph_node(g, sd.node)->shape) != 1) return nrg_fail(a->m->ctx, NRG_E022, a->atom->arg->span, "sd must be one number");
    *size = nrg_reshape(g, sd.node, nrg_shape_of(0, NULL));
    for (int j = 0; j < a->n; j++) {
        noise[j] = random_for(a, NRG_RANDOM_NORMAL, j, 1, a->shape[j]);
        x[j] = nrg_stop(g, nrg_add(g, a->x[j], nrg_mul(g, noise[j], *size)));
    }
    return nrg_graph_check(g);
}

// beta F at the noisy copies less that at the data. Mirrors at the walls keep the way back as likely as the way there.
static nrg_status rise(about *a, nrg_node *out) {
    nrg_node x[NRG_MAX_VARS], noise[NRG_MAX_VARS], size, here, there;
    TRY(noisy(a, &size, noise, x));
    for (int j = 0; j < a->n; j++) x[j] = nrg_reflect(a->p->g, &a->m->vars.at[a->var[j]].domain, x[j], NULL);
    TRY(at(a, a->x, &here));
    TRY(at(a, x, &there));
    *out = nrg_sub(a->p->g, there, here);
    return nrg_graph_check(a->p->g);
}

// At x + sd n the score of the noisy density points back along -n / sd.
static nrg_status blur(about *a, nrg_node *out) {
    nrg_graph *g = a->p->g;
    nrg_node x[NRG_MAX_VARS], grad[NRG_MAX_VARS], part[NRG_MAX_VARS], noise[NRG_MAX_VARS], size, U;
    TRY(noisy(a, &size, noise, x));
    TRY(at(a, x, &U));
    TRY(nrg_grad(g, U, NRG_BAD, x, a->n, grad));
    for (int j = 0; j < a->n; j++) part[j] = nrg_sub(g, noise[j], nrg_mul(g, grad[j], size));
    *out = joined(a, part);
    return NRG_OK;
}

// ---- bits and signs: neighbours one flip away

static nrg_status flips(about *a, nrg_node *out) {
    nrg_graph *g = a->p->g;
    nrg_node x[NRG_MAX_VARS], here, there;
    TRY(need(a, false, "bits or signs"));
    if (a->total > MOST_DIRECTIONS) return too_many(a);
    nrg_leads lead = nrg_lead_new(g, "flip", a->total);
    TRY(at(a, a->x, &here));
    for (int j = 0; j < a->n; j++) {
        nrg_node place = nrg_add(g, nrg_iota(g, nrg_shape_count(&a->shape[j])), nrg_const(g, (double)a->first[j]));
        nrg_node it = nrg_reshape(g, nrg_eq(g, place, nrg_iota_lead(g, lead)), a->shape[j]);
        nrg_node other = a->m->vars.at[a->var[j]].elem == NRG_BIT ? nrg_sub(g, nrg_const(g, 1), a->x[j]) : nrg_neg(g, a->x[j]);
        x[j] = nrg_select(g, it, other, a->x[j]);
    }
    TRY(at(a, x, &there));
    *out = nrg_lower(g, nrg_sub(g, here, there), lead, 0);
    return nrg_graph_check(g);
}

// ---- noise with a known density, fitted to the data: normal, uniform between two walls, or bits and signs by their frequency

typedef struct {
    nrg_node centre, spread; // [event] mean and deviation of reals; log odds of the upper value
    bool box, real;
    double lo, hi;
} density;

static nrg_status fit(about *a, int j, const char *name[2]) {
    enum { ROWS = 4096 };
    nrg_ctx *c = a->m->ctx;
    int64_t w = nrg_shape_count(&a->shape[j]), n = nrg_bound_rows(a->b) < ROWS ? nrg_bound_rows(a->b) : ROWS;
    const nrg_var *v = &a->m->vars.at[a->var[j]];
    void *mean, *spread;
    TRY(nrg_store_make(a->store, name[0], w, &mean));
    TRY(nrg_store_make(a->store, name[1], w, &spread));
    size_t bytes = (size_t)(n * w + 1) * sizeof(double);
    double *x = nrg_mem(c, NULL, 0, bytes);
    if (!x) return NRG_E098;
    nrg_status s = nrg_bound_numbers(a->b, a->store, a->var[j], NULL, n, x);
    for (int64_t k = 0; s == NRG_OK && k < w; k++) {
        double sum = 0, more = 0;
        for (int64_t i = 0; i < n; i++) sum += x[i * w + k];
        for (int64_t i = 0; i < n; i++) more += (x[i * w + k] - sum / (double)n) * (x[i * w + k] - sum / (double)n);
        double m = sum / (double)n, sd = fmax(sqrt(more / (double)n), 1e-3);
        if (v->elem != NRG_REAL) { // a frequency, kept off 0 and 1
            double p = v->elem == NRG_SIGN ? 0.5 * (m + 1) : m;
            p = (p * (double)n + 1) / ((double)n + 2);
            m = log(p / (1 - p));
        }
        if (nrg_store_type(a->store) == NRG_F64) ((double *)mean)[k] = m, ((double *)spread)[k] = sd;
        else ((float *)mean)[k] = (float)m, ((float *)spread)[k] = (float)sd;
    }
    nrg_mem(c, x, bytes, 0);
    return s;
}

static nrg_status density_of(about *a, int j, density *q) {
    char text[2][200];
    const char *name[2] = {text[0], text[1]};
    const nrg_var *v = &a->m->vars.at[a->var[j]];
    const nrg_domain *d = &v->domain;
    if (v->elem != NRG_REAL && v->elem != NRG_BIT && v->elem != NRG_SIGN) return refuse(a, j, "reals, bits or signs");
    *q = (density){.real = v->elem == NRG_REAL, .lo = d->lo, .hi = d->hi};
    q->box = q->real && d->kind == NRG_DOM_RANGE && !isinf(d->lo) && !isinf(d->hi);
    snprintf(text[0], sizeof text[0], "noise:%s:centre", v->name);
    snprintf(text[1], sizeof text[1], "noise:%s:spread", v->name);
    if (!nrg_store_get(a->store, name[0])) TRY(fit(a, j, name));
    q->centre = nrg_input(a->p->g, name[0], 0, a->shape[j]);
    q->spread = nrg_input(a->p->g, name[1], 0, a->shape[j]);
    return NRG_OK;
}

static nrg_node log_density(nrg_graph *g, const about *a, int j, const density *q, nrg_node x) {
    double n = (double)nrg_shape_count(&a->shape[j]);
    if (q->box) return nrg_const(g, -n * log(q->hi - q->lo));
    if (q->real) {
        nrg_node z = nrg_div(g, nrg_sub(g, x, q->centre), q->spread);
        nrg_node norm = nrg_add(g, nrg_sum_all(g, nrg_log(g, q->spread)), nrg_const(g, 0.5 * n * log(2 * 3.14159265358979323846)));
        return nrg_neg(g, nrg_add(g, nrg_mul(g, nrg_sum_all(g, nrg_square(g, z)), nrg_const(g, 0.5)), norm));
    }
    // log p = -softplus(-t), log(1 - p) = -softplus(t), t the log odds
    nrg_node up = a->m->vars.at[a->var[j]].elem == NRG_SIGN ? nrg_lt(g, nrg_const(g, 0), x) : x;
    nrg_node sign = nrg_sub(g, nrg_const(g, 1), nrg_mul(g, up, nrg_const(g, 2)));
    return nrg_neg(g, nrg_sum_all(g, nrg_softplus(g, nrg_mul(g, sign, q->centre))));
}

static nrg_node draw(about *a, int j, const density *q, int64_t k, nrg_leads lead) {
    nrg_graph *g = a->p->g;
    nrg_random_kind kind = q->real && !q->box ? NRG_RANDOM_NORMAL : NRG_RANDOM_UNIFORM;
    nrg_node r = nrg_lift(g, random_for(a, kind, j, 2, longer(a->shape[j], k)), 0, lead);
    if (q->box) return nrg_add(g, nrg_mul(g, r, nrg_const(g, q->hi - q->lo)), nrg_const(g, q->lo));
    if (q->real) return nrg_add(g, nrg_mul(g, r, q->spread), q->centre);
    nrg_node up = nrg_lt(g, r, nrg_sigmoid(g, q->centre));
    return a->m->vars.at[a->var[j]].elem == NRG_SIGN ? nrg_sub(g, nrg_mul(g, up, nrg_const(g, 2)), nrg_const(g, 1)) : up;
}

// beta F + log(k q): at the data, or at k draws of q as a vector.
static nrg_status against_noise(about *a, bool data, nrg_node *out) {
    nrg_graph *g = a->p->g;
    nrg_node x[NRG_MAX_VARS], U;
    density q = {0};
    int64_t k;
    TRY(count_of(a, &k));
    nrg_leads lead = data ? 0 : nrg_lead_new(g, "noise", k);
    nrg_node log_q = nrg_const(g, log((double)k));
    for (int j = 0; j < a->n; j++) {
        TRY(density_of(a, j, &q));
        x[j] = data ? a->x[j] : draw(a, j, &q, k, lead);
        log_q = nrg_add(g, log_q, log_density(g, a, j, &q, x[j]));
    }
    TRY(at(a, x, &U));
    *out = nrg_add(g, U, log_q);
    if (!data) *out = nrg_lower(g, nrg_graph_node(g, *out)->leads & lead ? *out : nrg_expand(g, *out, nrg_shape_of(0, NULL), lead), lead, 0);
    return nrg_graph_check(g);
}

nrg_status nrg_criterion(nrg_program *p, const nrg_bound *b, nrg_store *store, uint32_t learn, const nrg_atom *atom, nrg_node *out) {
    about a = {.p = p, .m = nrg_scope_model(p->scope), .b = b, .store = store, .atom = atom, .learn = learn};
    TRY(look(&a));
    switch (atom->kind) {
    case NRG_SLOPE: TRY(slope(&a, out)); break;
    case NRG_BEND: TRY(bend(&a, out)); break;
    case NRG_SLICE: TRY(slice(&a, out)); break;
    case NRG_BLUR: TRY(blur(&a, out)); break;
    case NRG_FLIPS: TRY(flips(&a, out)); break;
    case NRG_RISE: TRY(rise(&a, out)); break;
    case NRG_ABOVE: TRY(against_noise(&a, true, out)); break;
    default: TRY(against_noise(&a, false, out)); break;
    }
    return nrg_graph_check(p->g);
}
