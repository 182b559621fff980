// Insides of the graph room: the graph itself, rules, parameter fields, small helpers that the rules share.
#ifndef NRG_GRAPH_INSIDE_H
#define NRG_GRAPH_INSIDE_H

#include "graph/graph.h"

typedef struct {
    const char *name;
    int64_t extent; // -1: the sample axis
} nrg_lead_info;

typedef struct {
    const char *name;
    nrg_node node;
} nrg_input_info;

struct nrg_graph {
    nrg_arena arena;
    nrg_ctx *ctx;
    void *owner;   // what builds it just now, for energies written in C; see graph.h
    nrg_dtype type;
    nrg_span span; // of the nodes built from now on
    struct { nrg_node_info *at; uint32_t n, cap; } nodes; // nodes.at[0] is the bad node
    struct { nrg_input_info *at; uint32_t n, cap; } inputs;
    nrg_lead_info lead[NRG_MAX_LEADS];
    int leads;
    uint32_t *table; // open addressing over nodes; 0: free
    uint32_t table_n;
    int depth;          // of simplifications inside one build
    nrg_status cause;   // of the first bad node; NRG_OK: none
    nrg_span cause_at;
    char cause_text[400];
};

// params.c: the fields of a row's parameters, by the word in the table. One list serves copying, printing and reading.
typedef enum { NRG_FIELD_U32, NRG_FIELD_I32, NRG_FIELD_I64, NRG_FIELD_F64, NRG_FIELD_BITS, NRG_FIELD_LEADS, NRG_FIELD_SHAPE,
               NRG_FIELD_ORDER } nrg_field_kind;
typedef struct {
    const char *key; // NULL ends a list
    nrg_field_kind kind;
    size_t at; // offset in nrg_params
} nrg_field;
const nrg_field *nrg_fields_of(nrg_op op);
void nrg_params_clean(nrg_op op, const nrg_params *in, nrg_params *out); // copies the row's fields, all else zero

// shape.c: leads and shape of a node, or the reason why it may not be built.
typedef struct {
    const nrg_graph *g;
    nrg_op op;
    const nrg_node_info *a, *b, *c;
    const nrg_params *par;
    nrg_leads leads; // result
    nrg_shape shape; // result
    nrg_status status;
    char why[320];
} nrg_rule;
bool nrg_shape_rule(nrg_rule *r);
bool nrg_shape_same(const nrg_shape *a, const nrg_shape *b);
bool nrg_shape_fair(const nrg_shape *s); // rank and dims in range, product below 2^48
void nrg_shape_words(const nrg_graph *g, nrg_leads leads, const nrg_shape *s, char *out, size_t n); // "{sample} [3, 4]"
nrg_leads nrg_leads_all(const nrg_graph *g);

// fold.c: what an equal, simpler node would be; NRG_BAD when there is none. `r` holds the shape of the result.
nrg_node nrg_fold(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]);
bool nrg_is_const(const nrg_graph *g, nrg_node n, double *value); // a number, or a number expanded

// build.c
nrg_node nrg_full(nrg_graph *g, double value, nrg_leads leads, const nrg_shape *s); // a number expanded
// x summed over what the target lacks and expanded to what x lacks.
nrg_node nrg_fit(nrg_graph *g, nrg_node x, nrg_leads leads, const nrg_shape *s);
// factors.c -- the sum of x over leading axes by its factors; NRG_BAD where that gains nothing
nrg_node nrg_sum_factors(nrg_graph *g, nrg_node x, nrg_leads gone);
// split.c -- the sum by r of a, term by term; NRG_BAD where no term is a distance, or another is as large as the whole
nrg_node nrg_sum_terms(nrg_graph *g, const nrg_rule *r, nrg_node a);
nrg_status nrg_graph_cause(const nrg_graph *g); // reports the first cause, NRG_OK when there is none
#endif
