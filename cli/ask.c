// nrg ask, energy, eval, test: questions about data.
#include "cli.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- ask ----

static nrg_status question(cli *c, const char *word, nrg_question *q) {
    static const char *const names[] = {"best", "rank", "dist"};
    char help[60] = "best, rank or dist";
    for (int i = 0; i < 3; i++)
        if (strcmp(word, names[i]) == 0) {
            *q = (nrg_question)i;
            return NRG_OK;
        }
    const char *near = nrg_nearest(word, names, 3);
    if (near) snprintf(help, sizeof help, "did you mean '%s'?", near);
    return cli_usage(c, help, "unknown question '%s'", word);
}

// A label of the variable, or a number that can be its value.
static bool is_value(const nrg_var_info *v, const char *word, double *to) {
    char *end;
    for (int64_t l = 0; v->labels && l < v->labels_n; l++)
        if (strcmp(v->labels[l], word) == 0) return *to = (double)l, true;
    *to = strtod(word, &end);
    return *word && *end == 0 && isfinite(*to) && !v->labels &&
           (v->elem != NRG_CATEGORY || (*to >= 0 && *to < (double)v->labels_n));
}

// --among a,b: labels or numbers.
static nrg_status among(cli *c, nrg_ebm *m, nrg_ask_options *o) {
    nrg_var_info v;
    int n = 1, i = nrg_ebm_find(m, o->var);
    if (!c->among || i < 0) return NRG_OK;
    nrg_status s = nrg_ebm_var(m, i, &v);
    if (s != NRG_OK) return s;
    if (v.rank != 0)
        return cli_usage(c, NULL, "--among is for a variable of one number, and '%s' has several",
                         o->var);
    for (const char *p = c->among; *p; p++) n += *p == ',';
    double *to = cli_keep(c, (size_t)n * sizeof *to), value;
    if (!to) return NRG_E098;
    char word[256];
    snprintf(word, sizeof word, "%s", c->among);
    if (n > 1 && is_value(&v, word, to)) { // a label with commas in it
        o->among = to;
        o->among_n = 1;
        return NRG_OK;
    }
    const char *p = c->among;
    int kept = 0;
    for (int k = 0; k < n; k++) {
        size_t length = strcspn(p, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, p);
        if (!is_value(&v, word, &value)) return cli_usage(c, NULL, "--among: '%s' is not a value of %s", word, o->var);
        bool again = false;
        for (int j = 0; j < kept; j++) again = again || to[j] == value;
        if (!again) to[kept++] = value;
        p += length + (p[length] == ',');
    }
    o->among = to;
    o->among_n = kept;
    return NRG_OK;
}

// Names of the variables that --given holds, so that the question says exactly what is clamped.
static nrg_status asked(cli *c, nrg_ebm *m, nrg_ask_options *o) {
    long long top = 0, n = 0, minima = 0;
    nrg_status s = cli_integer(c, "top", c->top, 1, &top);
    if (s == NRG_OK) s = cli_integer(c, "minima", c->minima, 1, &minima);
    if (s == NRG_OK && minima && o->question != NRG_BEST)
        s = cli_usage(c, "nrg ask best y MODEL --minima 3",
                      "--minima belongs to the question best");
    if (s == NRG_OK && minima > 1000) s = cli_usage(c, NULL, "--minima takes at most 1000");
    if (s == NRG_OK) s = cli_integer(c, "n", c->n, 1, &n);
    if (s == NRG_OK) s = among(c, m, o);
    o->top = (int)top;
    o->minima = (int)minima;
    o->samples = n;
    o->anyway = c->anyway;
    return s;
}

enum { MANY = 1000 }; // values of several numbers, of which nobody reads a table

// Mean and deviation of each number in place of a line for every joint value.
static nrg_status summarise(cli *c, const nrg_reply *r) {
    cli_note(c, "shown are mean and deviation of each number of %s: its %lld joint values go to a file, -o dist.npz\n", r->var, (long long)r->choices);
    if (!c->json) printf("sample,number,mean,sd,status\n");
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t w = 0; w < r->width; w++) {
            const double *p = r->p + i * r->choices, *x = r->value + w;
            double all = 0, sum = 0, squares = 0;
            for (int64_t k = 0; k < r->choices; k++) all += p[k], sum += p[k] * x[k * r->width];
            for (int64_t k = 0; k < r->choices; k++) squares += p[k] * (x[k * r->width] - sum / all) * (x[k * r->width] - sum / all);
            printf(c->json ? "{\"sample\": %lld, \"number\": \"%s[%lld]\", \"mean\": %.9g, \"sd\": %.9g, \"status\": \"%s\"}\n" : "%lld,%s[%lld],%.9g,%.9g,%s\n",
                   (long long)i, r->var, (long long)w, sum / all, sqrt(squares / all), r->status[i]);
        }
    return cli_print(c, "");
}

static nrg_status deliver(cli *c, nrg_reply *r) {
    const char *text;
    nrg_status s;
    cli_note(c, "%s\n%lld energies\n", r->how, (long long)r->energies);
    if (c->out) return nrg_reply_save(r, c->out);
    if (r->question == NRG_DIST && r->p && r->value && r->width > 1 && r->choices > MANY && !r->labels) return summarise(c, r);
    s = nrg_reply_text(r, c->json ? NRG_AS_JSON : NRG_AS_CSV, &text);
    return s == NRG_OK ? cli_print(c, text) : s;
}

// --log-z: of exp(-beta E) over the asked variable, given what is given.
static nrg_status log_z(cli *c, nrg_ebm *m, const nrg_table *data, const nrg_ask_options *ask) {
    nrg_log_z_options o;
    nrg_log_z *z = NULL;
    if (ask->question != NRG_DIST || c->out) return cli_usage(c, "nrg ask dist x MODEL --log-z", c->out ? "--log-z writes no file" : "--log-z belongs to the question dist");
    nrg_status s = cli_logz_options(c, &o);
    o.vars = &ask->var, o.vars_n = 1;
    if (s == NRG_OK && !ask->anyway) s = nrg_ebm_answers(m, NRG_DIST, ask->var);
    if (s == NRG_OK) s = nrg_ebm_log_z(m, data, &o, &z);
    if (s == NRG_OK) s = cli_logz_deliver(c, z);
    nrg_log_z_free(z);
    return s;
}

nrg_status cli_ask(cli *c) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_reply *r = NULL;
    nrg_ask_options o = {.anyway = c->anyway};
    if (c->words.n != 3)
        return cli_usage(c, "nrg ask best y run --data FILE",
                         "a question, a variable and a model are needed, found %d words",
                         c->words.n);
    o.var = c->words.at[1];
    nrg_status s = question(c, c->words.at[0], &o.question);
    if (s == NRG_OK && c->out) s = cli_may_save(c, c->out, ".csv .json .npz");
    if (s == NRG_OK) s = cli_model(c, c->words.at[2], &m);
    if (s == NRG_OK) s = asked(c, m, &o);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK) s = c->log_z ? log_z(c, m, data, &o) : nrg_ebm_ask(m, data, &o, &r);
    if (r) {
        nrg_status d = deliver(c, r);
        if (d != NRG_OK) s = d;
    }
    nrg_reply_free(r);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}

// ---- energy, eval ----

static nrg_status one_model(cli *c, nrg_ebm **m, nrg_table **data) {
    *m = NULL;
    *data = NULL;
    if (c->words.n != 1)
        return cli_usage(c, NULL, c->words.n ? "one model at a time" : "which model?");
    nrg_status s = cli_model(c, c->words.at[0], m);
    return s == NRG_OK ? cli_need_data(c, *m, data) : s;
}

typedef struct {
    double *E, *p; // p NULL: nothing to compare with
    int64_t n;
} scores;

static nrg_status save_energies(cli *c, const scores *r) {
    nrg_table *t;
    nrg_status s = nrg_table_new(c->ctx, &t);
    if (s != NRG_OK) return s;
    s = nrg_table_put(t, "energy", NRG_CELL_F64, 1, &r->n, r->E);
    if (s == NRG_OK && r->p) s = nrg_table_put(t, "p", NRG_CELL_F64, 1, &r->n, r->p);
    if (s == NRG_OK) s = nrg_data_write(t, c->out);
    nrg_table_free(t);
    return s;
}

static nrg_status put_energies(cli *c, const scores *r) {
    if (c->out) return save_energies(c, r);
    if (!c->json) printf(r->p ? "sample,energy,p\n" : "sample,energy\n");
    for (int64_t i = 0; i < r->n; i++) {
        printf(c->json ? "{\"sample\": %lld, \"energy\": %.9g" : "%lld,%.9g", (long long)i, r->E[i]);
        if (r->p) printf(c->json ? ", \"p\": %.9g" : ",%.9g", r->p[i]);
        printf(c->json ? "}\n" : "\n");
    }
    return cli_print(c, "");
}

static nrg_status energies(cli *c, nrg_ebm *m, const nrg_table *data, double **E, int64_t *n) {
    *n = nrg_table_rows(data);
    *E = cli_keep(c, (size_t)(*n + 1) * sizeof **E);
    return *E ? nrg_ebm_energy(m, data, *E) : NRG_E098;
}

// Where the energies lie among those of rows that were held out.
static nrg_status against(cli *c, nrg_ebm *m, scores *r) {
    cli_list data = c->data, given = c->given;
    nrg_table *held = NULL;
    double *E, auroc;
    int64_t n;
    c->data = c->against;
    c->given.n = 0; // held-out rows are as their file says
    nrg_status s = cli_data(c, m, &held);
    c->data = data, c->given = given;
    if (s == NRG_OK) s = energies(c, m, held, &E, &n);
    if (s == NRG_OK && !(r->p = cli_keep(c, (size_t)(r->n + 1) * sizeof *r->p))) s = NRG_E098;
    if (s == NRG_OK) s = nrg_p_values(c->ctx, E, n, r->E, r->n, r->p, &auroc);
    if (s == NRG_OK) cli_note(c, "against %lld held-out rows: AUROC %.4g; p is a multiple of 1/%lld\n", (long long)n, auroc, (long long)n + 1);
    nrg_table_free(held);
    return s;
}

nrg_status cli_energy(cli *c) {
    nrg_ebm *m;
    nrg_table *data;
    scores r = {0};
    nrg_status s = c->out ? cli_may_save(c, c->out, ".csv .tsv .npy .npz") : NRG_OK;
    if (s != NRG_OK) return s;
    s = one_model(c, &m, &data);
    if (s == NRG_OK) s = energies(c, m, data, &r.E, &r.n);
    if (s == NRG_OK && c->against.n) s = against(c, m, &r);
    if (s == NRG_OK) s = put_energies(c, &r);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}

// {"error(y)": 0.02, ...} from a CSV header and row of numbers.
static void put_json(const char *header, const char *row) {
    printf("{");
    for (bool first = true; *header && *header != '\n'; first = false) {
        size_t h = strcspn(header, ",\n"), r = strcspn(row, ",\n");
        printf("%s\"%.*s\": %.*s", first ? "" : ", ", (int)h, header, (int)r, row);
        header += h + (header[h] == ',');
        row += r + (row[r] == ',');
    }
    printf("}\n");
}

nrg_status cli_eval(cli *c) {
    nrg_ebm *m;
    nrg_table *data;
    const char *header = "", *row = "";
    nrg_status s = one_model(c, &m, &data);
    if (s == NRG_OK) s = nrg_ebm_report(m, data, &header, &row);
    if (s == NRG_OK && c->json) put_json(header, row);
    if (s == NRG_OK && !c->json)
        printf("%s%s%s%s", header, strchr(header, '\n') ? "" : "\n", row,
               strchr(row, '\n') ? "" : "\n");
    if (s == NRG_OK) s = cli_print(c, "");
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}

// ---- test ----

static nrg_status check_all(cli *c, nrg_ebm *m, const nrg_table *data) {
    static const char *const words[] = {"unsupported", "FAIL", "ok"};
    int failed = 0, open = 0, n = nrg_ebm_expects(m);
    for (int i = 0; i < n; i++) {
        int verdict;
        const char *text;
        nrg_status s = nrg_ebm_expect(m, data, i, &verdict, &text);
        if (s != NRG_OK) return s;
        printf("%-11s expect %s\n", words[verdict + 1], text);
        failed += verdict == 0;
        open += verdict < 0;
    }
    if (n == 0) cli_note(c, "no expect statements\n");
    nrg_status s = cli_print(c, "");
    char line[80];
    if (s != NRG_OK || failed + open == 0) return s;
    if (failed == 0) {
        snprintf(line, sizeof line, "%d of %d expectations cannot be checked", open, n);
        return nrg_complain(c->ctx, NRG_E071, line, NULL);
    }
    snprintf(line, sizeof line, "%d of %d expectations fail", failed, n);
    return nrg_complain(c->ctx, NRG_E081, line, NULL);
}

nrg_status cli_test(cli *c) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    if (c->words.n != 1)
        return cli_usage(c, NULL, c->words.n ? "one model at a time" : "which model?");
    nrg_status s = cli_model(c, c->words.at[0], &m);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK && data && !nrg_ebm_trained(m) && nrg_ebm_expects(m) > 0) {
        cli_note(c, "training first: the model has no weights yet\n");
        s = nrg_ebm_train(m, data, NULL, NULL, NULL);
    }
    if (s == NRG_OK) s = check_all(c, m, data);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}
