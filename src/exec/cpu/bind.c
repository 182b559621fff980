// Buffers of the caller: bound inputs of any number type, rows by index, outputs and updated states.
#include "exec/cpu/cpu.h"
#include <string.h>

static size_t type_size(nrg_buf_type type) {
    switch (type) {
    case NRG_BUF_F64: case NRG_BUF_I64: return 8;
    case NRG_BUF_F32: case NRG_BUF_I32: case NRG_BUF_U32: return 4;
    case NRG_BUF_I16: case NRG_BUF_U16: return 2;
    default: return 1;
    }
}

#define CONVERT(from_t)                                                                                                \
    if (to_type == NRG_F64)                                                                                            \
        for (int64_t i = 0; i < n; i++) ((double *)to)[i] = (double)((const from_t *)from)[i];                         \
    else                                                                                                               \
        for (int64_t i = 0; i < n; i++) ((float *)to)[i] = (float)((const from_t *)from)[i];                           \
    break;

static void convert(nrg_dtype to_type, void *to, nrg_buf_type type, const void *from, int64_t n) {
    switch (type) {
    case NRG_BUF_F32: CONVERT(float)
    case NRG_BUF_F64: CONVERT(double)
    case NRG_BUF_U8: CONVERT(uint8_t)
    case NRG_BUF_I8: CONVERT(int8_t)
    case NRG_BUF_I16: CONVERT(int16_t)
    case NRG_BUF_I32: CONVERT(int32_t)
    case NRG_BUF_I64: CONVERT(int64_t)
    case NRG_BUF_U16: CONVERT(uint16_t)
    case NRG_BUF_U32: CONVERT(uint32_t)
    case NRG_BUF_BOOL:
        for (int64_t i = 0; i < n; i++) {
            double x = ((const uint8_t *)from)[i] ? 1 : 0;
            if (to_type == NRG_F64) ((double *)to)[i] = x;
            else ((float *)to)[i] = (float)x;
        }
        break;
    default: break;
    }
}

static nrg_buf_type own_type(const nrg_plan *p) { return p->type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32; }

void nrg_run_bind(nrg_run *r, nrg_node input, nrg_buffer b) {
    const nrg_node_info *v = nrg_graph_node(r->p->graph, input);
    if (v->op != NRG_OP_input || v->par.input.slot >= r->p->slots) return;
    nrg_bound *to = &r->in[v->par.input.slot];
    to->b = b;
    to->same = b.type == own_type(r->p);
    to->direct = b.type == own_type(r->p) && !b.rows;
}

void nrg_run_output(nrg_run *r, int i, void *data) {
    if (i >= 0 && i < r->p->outputs_n) r->out[i] = data;
}

// Rows of the slice at hand, in the graph's type, one after another.
void nrg_cpu_gather(nrg_task *t, const nrg_plan_buf *b, char *to) {
    const nrg_bound *in = &t->run->in[b->slot];
    size_t row = (size_t)b->count * t->run->p->real, from_row = (size_t)b->count * type_size(in->b.type);
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t r = in->b.rows ? in->b.rows[t->first + i] : t->first + i;
        const char *from = (const char *)in->b.data + (size_t)r * from_row;
        if (in->b.type == own_type(t->run->p)) memcpy(to + (size_t)i * row, from, row);
        else if (in->b.type == NRG_BUF_U8 && t->run->p->type != NRG_F64) t->k->bytes_f32(b->count, (const uint8_t *)from, (float *)(to + (size_t)i * row));
        else convert(t->run->p->type, to + (size_t)i * row, in->b.type, from, b->count);
    }
}

nrg_status nrg_cpu_inputs(nrg_run *r) {
    const nrg_plan *p = r->p;
    for (uint32_t s = 0; s < p->slots; s++) {
        nrg_bound *in = &r->in[s];
        if (!p->slot_buf[s] && !r->state[s]) continue;
        if (!in->b.data && (r->n > 0 || !p->slot_buf[s] || !p->bufs.at[p->slot_buf[s]].sample))
            return nrg_fail(r->ctx, NRG_E099, NRG_NOWHERE, "input `%s` of a run is not bound", nrg_input_name(p->graph, s));
        if (r->state[s] && in->b.type != own_type(p))
            return nrg_fail(r->ctx, NRG_E099, NRG_NOWHERE, "state `%s` is bound to numbers of another type", nrg_input_name(p->graph, s));
        if (!p->slot_buf[s] || p->bufs.at[p->slot_buf[s]].sample || in->b.type == own_type(p)) continue;
        int64_t n = p->bufs.at[p->slot_buf[s]].count;
        size_t size = (size_t)n * p->real;
        if (!in->converted) {
            in->converted = nrg_mem(r->ctx, NULL, 0, size ? size : 1);
            if (!in->converted) return NRG_E098;
            in->size = size ? size : 1;
        }
        convert(p->type, in->converted, in->b.type, in->b.data, n);
    }
    return NRG_OK;
}

// Is a source row in the target's own order?
static bool row_whole(const nrg_out_step *d) {
    const nrg_dims *x = &d->dims;
    return x->n == 0 || (x->n == 1 && x->at[0].a == 1 && x->at[0].c == 1);
}

static void copy_row(nrg_task *t, const nrg_out_step *d, int64_t sample, char *to) {
    if (row_whole(d)) {
        memcpy(to, t->base[d->a.buf] + (d->a.offset + sample * d->a_sample) * (int64_t)t->run->p->real, (size_t)d->count * t->run->p->real);
        return;
    }
    nrg_task row = *t;
    char *bases[2] = {t->base[d->a.buf] + (d->a.offset + sample * d->a_sample) * (int64_t)t->run->p->real, to};
    nrg_move m = {.a = {0, 0}, .c = {1, 0}, .dims = d->dims};
    row.base = bases;
    nrg_cpu_move(&row, &m);
}

// Rows side by side as well: one copy.
static bool whole(const nrg_out_step *d) { return row_whole(d) && (!d->sample || d->a_sample == d->count); }

void nrg_cpu_output(nrg_task *t, const nrg_out_step *d) {
    size_t row = (size_t)d->count * t->run->p->real;
    char *to = t->run->out[d->i];
    if (!to || !d->count) return;
    if (d->sample) to += (size_t)t->first * row;
    int64_t n = d->sample ? t->rows : 1;
    if (whole(d)) memcpy(to, t->base[d->a.buf] + d->a.offset * (int64_t)t->run->p->real, (size_t)n * row);
    else
        for (int64_t i = 0; i < n; i++) copy_row(t, d, i, to + (size_t)i * row);
}

void nrg_cpu_update(nrg_task *t, const nrg_out_step *d) {
    const nrg_bound *in = &t->run->in[d->slot];
    size_t row = (size_t)d->count * t->run->p->real;
    if (!d->count) return;
    if (!d->sample || (whole(d) && !in->b.rows)) {
        char *to = (char *)in->b.data + (d->sample ? (size_t)t->first * row : 0);
        if (whole(d)) memcpy(to, t->base[d->a.buf] + d->a.offset * (int64_t)t->run->p->real, (size_t)(d->sample ? t->rows : 1) * row);
        else copy_row(t, d, 0, to);
        return;
    }
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t r = in->b.rows ? in->b.rows[t->first + i] : t->first + i;
        copy_row(t, d, i, (char *)in->b.data + (size_t)r * row);
    }
}
