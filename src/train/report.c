// The metrics of `report` statements, one number each: error accuracy mse rmse mae of the best answer, nll, energy, reconstruction.
#include "infer/logz.h"
#include "train/inside.h"
#include <math.h>
#include <string.h>

enum { ROWS = 1024 }; // samples asked at a time

typedef struct {
    nrg_model *m;
    nrg_store *store;
    const nrg_bound *data;
    int threads;
    int64_t rows[ROWS], n;
} sheet;

typedef struct metric metric;
struct metric {
    const char *name;
    nrg_status (*add)(sheet *s, const metric *k, int32_t var, double *sum, double *count);
    double (*wrong)(double found, double truth); // of one number
    double (*end)(double mean);
};

static double differs(double a, double b) { return a != b; }
static double agrees(double a, double b) { return a == b; }
static double squared(double a, double b) { return (a - b) * (a - b); }
static double absolute(double a, double b) { return fabs(a - b); }
static double same(double x) { return x; }

// Best answer for one variable given all others that the data hold, latents left free, compared number by number.
static nrg_status by_answer(sheet *s, const metric *k, int32_t var, double *sum, double *count) {
    nrg_vars given = nrg_bound_vars(s->data) & ~((nrg_vars)1 << var) & ~nrg_model_role(s->m, NRG_LATENT);
    nrg_ask_spec spec = {
        .question = NRG_BEST, .var = var, .given = given, .n = s->n, .threads = s->threads, .anyway = true};
    nrg_answers a = {0};
    TRY(nrg_bound_values(s->data, s->store, given, s->rows, s->n));
    TRY(nrg_ask(s->m, s->store, &spec, &a));
    size_t bytes = (size_t)(s->n * a.width + 1) * sizeof(double);
    double *truth = nrg_mem(s->m->ctx, NULL, 0, bytes);
    nrg_status st = truth ? nrg_bound_numbers(s->data, s->store, var, s->rows, s->n, truth) : NRG_E098;
    for (int64_t i = 0; st == NRG_OK && i < s->n * a.width; i++) {
        if (isnan(truth[i])) continue;
        *sum += k->wrong(a.value[i], truth[i]);
        *count += 1;
    }
    if (truth) nrg_mem(s->m->ctx, truth, bytes, 0);
    nrg_answers_free(&a);
    return st;
}

// Energy of the data with the variables that they hold; latents eliminated.
static nrg_status energies(sheet *s, nrg_vars data, double *e) {
    TRY(nrg_bound_values(s->data, s->store, data, s->rows, s->n));
    return nrg_energy_of(s->m, s->store, data, s->n, s->threads, e);
}

static nrg_status by_energy(sheet *s, const metric *k, int32_t var, double *sum, double *count) {
    double e[ROWS];
    (void)k, (void)var;
    TRY(energies(s, nrg_bound_vars(s->data) & ~nrg_model_role(s->m, NRG_LATENT), e));
    for (int64_t i = 0; i < s->n; i++) *sum += e[i], *count += 1;
    return NRG_OK;
}

// -log p(var | rest) = beta (F(data) - free energy over var)
static nrg_status by_likelihood(sheet *s, const metric *k, int32_t var, double *sum, double *count) {
    nrg_vars all = nrg_bound_vars(s->data) & ~nrg_model_role(s->m, NRG_LATENT), one = (nrg_vars)1 << var;
    nrg_infer_options o = {.threads = s->threads, .batch = s->n, .values_only = true};
    nrg_program p = {0};
    nrg_node pos, low;
    (void)k;
    nrg_status st = nrg_program_new(s->m, nrg_store_type(s->store), &o, &p);
    if (st == NRG_OK) st = nrg_bound_nodes(s->data, p.scope);
    if (st == NRG_OK) st = nrg_infer_energy(p.inf, all, 0, NRG_MINIMIZE, &pos, NULL);
    if (st == NRG_OK) nrg_scope_bind(p.scope, var, NRG_BAD);
    if (st == NRG_OK) st = nrg_infer_energy(p.inf, all & ~one, one, NRG_MARGINALIZE, &low, NULL);
    if (st == NRG_OK) {
        nrg_node gap = nrg_mul(p.g, nrg_sub(p.g, pos, low), nrg_const(p.g, s->m->beta));
        nrg_node out = nrg_reduce(p.g, NRG_OP_sum, gap, 0, NRG_SAMPLE, false);
        st = nrg_program_plan(&p, &out, 1, NULL, 0, s->n, s->threads);
    }
    if (st == NRG_OK) st = nrg_bound_rows_set(s->data, s->store, s->rows);
    if (st == NRG_OK) st = nrg_program_go(&p, s->store, s->n, 0, 0);
    if (st == NRG_OK) *sum += p.values[0], *count += (double)s->n;
    nrg_program_free(&p);
    return st;
}

// Mean square of what a variable with hidden parts comes back as, less itself: seen(var) is hidden as in training, by the sample's own draw.
static nrg_status by_reconstruction(sheet *s, const metric *k, int32_t var, double *sum, double *count) {
    nrg_vars all = nrg_bound_vars(s->data) & ~nrg_model_role(s->m, NRG_LATENT), one = (nrg_vars)1 << var;
    nrg_infer_options o = {.threads = s->threads, .batch = s->n};
    nrg_node best[NRG_MAX_VARS] = {0}, F, out;
    nrg_program p = {0};
    (void)k;
    nrg_status st = nrg_program_new(s->m, nrg_store_type(s->store), &o, &p);
    if (st == NRG_OK) st = nrg_bound_nodes(s->data, p.scope);
    if (st == NRG_OK) st = nrg_bound_hide(s->data, p.scope);
    nrg_node truth = st == NRG_OK ? nrg_scope_bound(p.scope, var) : NRG_BAD;
    if (st == NRG_OK) nrg_scope_bind(p.scope, var, NRG_BAD);
    if (st == NRG_OK) st = nrg_infer_energy(p.inf, all & ~one, one, NRG_MINIMIZE, &F, best);
    if (st == NRG_OK) {
        nrg_node gap = nrg_sum_all(p.g, nrg_square(p.g, nrg_sub(p.g, best[var], truth)));
        out = nrg_reduce(p.g, NRG_OP_sum, gap, 0, NRG_SAMPLE, false);
        st = nrg_program_plan(&p, &out, 1, NULL, 0, s->n, s->threads);
    }
    if (st == NRG_OK) st = nrg_bound_rows_set(s->data, s->store, s->rows);
    if (st == NRG_OK) st = nrg_program_go(&p, s->store, s->n, 0, 0);
    if (st == NRG_OK) *sum += p.values[0], *count += (double)(s->n * nrg_node_count(p.g, truth));
    nrg_program_free(&p);
    return st;
}

// log Z over the variable and what its sample statement draws with it: annealed chains, a minute's worth at most.
static nrg_status normaliser(sheet *s, const nrg_expr *e, int32_t var, double z[3]) {
    nrg_log_z_spec k = {.vars = (nrg_vars)1 << var, .rows = 1, .chains = 64, .width = 0.1, .budget = 8000, .threads = s->threads};
    nrg_log_z_out out;
    const nrg_infer_stmt *st = nrg_model_infer(s->m, NRG_SAMPLE_VERB, var);
    if (st && !nrg_proposes(st)) k.vars = st->vars;
    if (s->m->energy.vars & ~k.vars & ~nrg_model_role(s->m, NRG_LATENT) & ~nrg_model_role(s->m, NRG_WEIGHT)) {
        nrg_status bad = nrg_fail(s->m->ctx, NRG_E071, e->span, "log Z given other variables differs from row to row, and a report has one number");
        nrg_help(s->m->ctx, "nrg logz MODEL %s --data FILE gives each row's", s->m->vars.at[var].name);
        return bad;
    }
    TRY(nrg_log_z_of(s->m, s->store, &k, &out));
    z[0] = 0.5 * (out.low[0] + out.high[0]), z[1] = out.low[0], z[2] = out.high[0];
    nrg_log_z_out_free(&out);
    return NRG_OK;
}

// Three columns: the middle of the interval and its ends.
static nrg_status interval(sheet *s, const nrg_expr *e, const char *name, int32_t var, nrg_text *header, nrg_text *row) {
    double z[3] = {0}, sum = 0, count = 0, mean = 0;
    const char *v = s->m->vars.at[var].name;
    TRY(normaliser(s, e, var, z));
    for (int64_t at = 0, n = nrg_bound_rows(s->data); at < n && nrg_same(name, "nll"); at += ROWS) {
        s->n = n - at < ROWS ? n - at : ROWS;
        for (int64_t i = 0; i < s->n; i++) s->rows[i] = at + i;
        TRY(by_energy(s, NULL, var, &sum, &count));
    }
    if (count > 0) mean = s->m->beta * sum / count;
    nrg_text_put(header, "%s%s(%s),%s_low(%s),%s_high(%s)", header->n ? "," : "", name, v, name, v, name, v);
    nrg_text_put(row, "%s%.9g,%.9g,%.9g", row->n ? "," : "", mean + z[0], mean + z[1], mean + z[2]);
    TRY(nrg_text_end(header));
    return nrg_text_end(row);
}

// A likelihood whose sum is out of reach, but whose variable can be drawn.
static bool out_of_reach(const nrg_model *m, int32_t var) {
    nrg_atom a = {.kind = NRG_FREE, .over = (nrg_vars)1 << var};
    return nrg_draws_wanted(m, &a);
}

static const metric metrics[] = {
    {"error", by_answer, differs, same},  {"accuracy", by_answer, agrees, same}, {"mse", by_answer, squared, same},
    {"rmse", by_answer, squared, sqrt},   {"mae", by_answer, absolute, same},    {"nll", by_likelihood, NULL, same},
    {"energy", by_energy, NULL, same},    {"reconstruction", by_reconstruction, NULL, same},
};

static nrg_status unknown(const nrg_model *m, const nrg_expr *e) {
    nrg_text t = nrg_text_make(m->ctx);
    nrg_expr_print(m, e, &t);
    nrg_status s = nrg_fail(m->ctx, NRG_E071, e->span, "report %s is not supported yet", t.at && !t.bad ? t.at : "");
    nrg_text_free(&t);
    nrg_help(m->ctx, "built are error, accuracy, mse, rmse, mae, nll, log_z, reconstruction of a variable, and energy");
    return s;
}

static const metric *find(const nrg_expr *e) {
    const nrg_expr *name = e->kind == NRG_X_CALL ? e->kid[0] : e;
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (name->kind == NRG_X_NAME && nrg_same(name->text, metrics[i].name)) return &metrics[i];
    return NULL;
}

// The variable that a metric is about: its first argument, else the only predicted one.
static int32_t about(const nrg_model *m, const nrg_expr *e) {
    if (e->kind == NRG_X_CALL && e->n > 1) {
        const nrg_expr *a = e->kid[1];
        while (a->kind == NRG_X_COND && a->n) a = a->kid[0];
        return a->kind == NRG_X_NAME ? nrg_model_var(m, a->text) : -1;
    }
    nrg_vars y = nrg_model_role(m, NRG_PREDICT);
    for (int32_t i = 0; i < NRG_MAX_VARS; i++)
        if (y == (nrg_vars)1 << i) return i;
    return -1;
}

static nrg_status one(sheet *s, const nrg_expr *e, nrg_text *header, nrg_text *row) {
    const metric *k = find(e);
    int32_t var = about(s->m, e);
    double sum = 0, count = 0;
    const nrg_expr *name = e->kind == NRG_X_CALL ? e->kid[0] : e;
    bool log_z = name->kind == NRG_X_NAME && nrg_same(name->text, "log_z");
    if (var >= 0 && (log_z || (k && k->add == by_likelihood && out_of_reach(s->m, var))))
        return interval(s, e, log_z ? "log_z" : "nll", var, header, row);
    if (!k || (var < 0 && k->add != by_energy)) return unknown(s->m, e);
    for (int64_t at = 0, n = nrg_bound_rows(s->data); at < n; at += ROWS) {
        s->n = n - at < ROWS ? n - at : ROWS;
        for (int64_t i = 0; i < s->n; i++) s->rows[i] = at + i;
        TRY(k->add(s, k, var, &sum, &count));
    }
    nrg_text_put(header, "%s", header->n ? "," : "");
    nrg_expr_print(s->m, e, header);
    nrg_text_put(row, "%s%.9g", row->n ? "," : "", count > 0 ? k->end(sum / count) : NAN);
    TRY(nrg_text_end(header));
    return nrg_text_end(row);
}

nrg_status nrg_report(nrg_model *m, nrg_store *store, const nrg_bound *data, int threads, nrg_text *csv_header,
                      nrg_text *csv_row) {
    size_t bytes = sizeof(sheet);
    sheet *s = nrg_mem(m->ctx, NULL, 0, bytes);
    if (!s) return NRG_E098;
    *s = (sheet){.m = m, .store = store, .data = data, .threads = threads < 1 ? 1 : threads};
    nrg_status st = NRG_OK;
    for (uint32_t i = 0; i < m->reports.n && st == NRG_OK; i++) st = one(s, m->reports.at[i].expr, csv_header, csv_row);
    nrg_mem(m->ctx, s, bytes, 0);
    return st;
}
