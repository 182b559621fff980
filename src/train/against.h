// Wrong answers, shared by against.c (making, averaging), offender.c (the one that costs most) and points.c (sets that are drawn).
#ifndef NRG_TRAIN_AGAINST_H
#define NRG_TRAIN_AGAINST_H

#include "train/inside.h"

// The wrong answers of one atom of a learn statement: `neg`, or `free` over the right answer and a set.
typedef struct {
    nrg_program *p;
    const nrg_bound *b;
    nrg_model *m;
    nrg_store *store;
    uint32_t learn, atom;
    const nrg_learn *l;
    const nrg_atom *a;
    const nrg_node *atoms;        // of the statement, those that are known; NRG_BAD: not yet
    bool dense;                   // an approximate search looks harder, to judge the usual one
    // A source fills these in:
    nrg_node value[NRG_MAX_VARS]; // by variable
    nrg_leads lead;               // several: along this axis; 0: one a row
    nrg_node valid;               // 1 where it is a wrong answer
    nrg_node cost;                // offender: what was minimised, at the answer found
    nrg_node drive;               // 0 with the gradient that trains a proposer, or bad
    nrg_drawing *drawing;         // chains that the answers come from; or, in a pass that does not draw,
    nrg_node level;               // what they had for an energy
    bool pairs;                   // each row is either a right or a wrong answer
    nrg_node F, count;            // energies; how many wrong answers a row has
} nrg_wrong;

// One function a source of model/points.def: finds the row's arguments in w->l->against.
typedef nrg_status (*nrg_point_fn)(nrg_wrong *w);
#define NRG_POINT(name, args, built, doc) nrg_status nrg_point_##name(nrg_wrong *w);
#include "model/points.def"

nrg_node nrg_against_differs(const nrg_wrong *w);                // 1 where not all discrete answers agree with the data; reals count as different
nrg_status nrg_against_minibatch(const nrg_wrong *w, const char *what); // E026 where an optimiser has no minibatches
bool nrg_against_needs(const nrg_learn *l, const nrg_atom *a); // does the atom need wrong answers?
nrg_status nrg_against_make(nrg_wrong *w);                     // source, then energies
nrg_status nrg_against_free(nrg_wrong *w, nrg_node *out);      // free energy of the right answer and the set
nrg_node nrg_against_mean(const nrg_wrong *w, nrg_node x);     // over a row's wrong answers
nrg_status nrg_against_names(const nrg_wrong *w);              // in the loss: asked variables are the wrong answers
// A term of the loss: averaged over the wrong answers that it reads, 0 for rows that have none.
nrg_status nrg_against_term(const nrg_wrong *w, uint32_t n, const nrg_expr *e, nrg_node *x);
// offender.c
bool nrg_offender_near(const nrg_wrong *w);                    // is its search approximate?
nrg_status nrg_offender_judge(nrg_wrong *w);                   // adds to the program's `missed`
void nrg_offender_radius(uint32_t learn, char *to, size_t n);  // name of the number `outside` in the store
// columns.c: the column e as wrong answers of a variable
nrg_status nrg_bound_wrong(const nrg_bound *b, nrg_scope *s, uint32_t learn, int32_t var, const nrg_expr *e, nrg_node *out);
nrg_status nrg_bound_eval(const nrg_bound *b, nrg_scope *s, const nrg_expr *e, nrg_node *out); // values.c
#endif
