// The fields of each row's parameters, one list a word of the table.
#include "graph/inside.h"
#include <string.h>

#define AT(member) offsetof(nrg_params, member)
static const nrg_field fields_none[] = {{0}};
static const nrg_field fields_input[] = {{"slot", NRG_FIELD_U32, AT(input.slot)}, {0}};
static const nrg_field fields_scalar[] = {{"value", NRG_FIELD_F64, AT(scalar.value)}, {0}};
static const nrg_field fields_iota[] = {{"lead", NRG_FIELD_LEADS, AT(iota.lead)}, {"n", NRG_FIELD_I64, AT(iota.n)}, {0}};
static const nrg_field fields_random[] = {{"kind", NRG_FIELD_U32, AT(random.kind)},
                                          {"purpose", NRG_FIELD_U32, AT(random.purpose)},
                                          {"shape", NRG_FIELD_SHAPE, AT(random.shape)},
                                          {"every", NRG_FIELD_U32, AT(random.every)},
                                          {"after", NRG_FIELD_U32, AT(random.after)},
                                          {0}};
static const nrg_field fields_reduce[] = {{"axes", NRG_FIELD_BITS, AT(reduce.axes)},
                                          {"leads", NRG_FIELD_LEADS, AT(reduce.leads)},
                                          {"keep", NRG_FIELD_U32, AT(reduce.keep)},
                                          {0}};
static const nrg_field fields_shape[] = {{"shape", NRG_FIELD_SHAPE, AT(shape.shape)}, {"leads", NRG_FIELD_LEADS, AT(shape.leads)}, {0}};
static const nrg_field fields_perm[] = {{"order", NRG_FIELD_ORDER, AT(perm.order)}, {0}};
static const nrg_field fields_slice[] = {{"axis", NRG_FIELD_I32, AT(slice.axis)},
                                         {"start", NRG_FIELD_I64, AT(slice.start)},
                                         {"n", NRG_FIELD_I64, AT(slice.n)},
                                         {"step", NRG_FIELD_I64, AT(slice.step)},
                                         {0}};
static const nrg_field fields_pad[] = {{"axis", NRG_FIELD_I32, AT(pad.axis)},
                                       {"before", NRG_FIELD_I64, AT(pad.before)},
                                       {"after", NRG_FIELD_I64, AT(pad.after)},
                                       {0}};
static const nrg_field fields_axis[] = {{"axis", NRG_FIELD_I32, AT(axis.axis)}, {0}};
static const nrg_field fields_lift[] = {{"axis", NRG_FIELD_I32, AT(lift.axis)}, {"lead", NRG_FIELD_LEADS, AT(lift.lead)}, {0}};
static const nrg_field fields_index[] = {{"n", NRG_FIELD_I64, AT(index.n)},
                                         {"leads", NRG_FIELD_LEADS, AT(index.leads)},
                                         {"rank", NRG_FIELD_I32, AT(index.rank)},
                                         {0}};
static const nrg_field fields_matmul[] = {{"ta", NRG_FIELD_U32, AT(matmul.ta)},
                                          {"tb", NRG_FIELD_U32, AT(matmul.tb)},
                                          {"leads", NRG_FIELD_LEADS, AT(matmul.leads)},
                                          {0}};
static const nrg_field fields_conv[] = {{"stride", NRG_FIELD_I32, AT(conv.stride)},
                                        {"pad_h", NRG_FIELD_I32, AT(conv.pad_h)},
                                        {"pad_w", NRG_FIELD_I32, AT(conv.pad_w)},
                                        {"h", NRG_FIELD_I64, AT(conv.h)},
                                        {"w", NRG_FIELD_I64, AT(conv.w)},
                                        {"leads", NRG_FIELD_LEADS, AT(conv.leads)},
                                        {0}};
static const nrg_field fields_tri[] = {{"transpose", NRG_FIELD_U32, AT(tri.transpose)}, {0}};

static const nrg_field *const fields[NRG_OP_COUNT] = {
    fields_none,
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc) fields_##params,
#include "graph/ops.def"
};

const nrg_field *nrg_fields_of(nrg_op op) { return fields[(unsigned)op < NRG_OP_COUNT ? op : 0]; }

static void copy_shape(const nrg_shape *from, nrg_shape *to) {
    to->rank = from->rank;
    for (int i = 0; i < from->rank && i < NRG_MAX_RANK; i++) to->dim[i] = from->dim[i];
}

void nrg_params_clean(nrg_op op, const nrg_params *in, nrg_params *out) {
    memset(out, 0, sizeof *out);
    if (!in) return;
    for (const nrg_field *f = nrg_fields_of(op); f->key; f++) {
        const char *from = (const char *)in + f->at;
        char *to = (char *)out + f->at;
        if (f->kind == NRG_FIELD_SHAPE) copy_shape((const nrg_shape *)(const void *)from, (nrg_shape *)(void *)to);
        else if (f->kind == NRG_FIELD_ORDER) memcpy(to, from, sizeof out->perm.order);
        else if (f->kind == NRG_FIELD_I64 || f->kind == NRG_FIELD_F64) memcpy(to, from, 8);
        else memcpy(to, from, 4);
    }
}
