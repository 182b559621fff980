// Builders of nrg.h that are compositions of table ops, for energies written in C.
#include "graph/graph.h"

nrg_shape nrg_node_shape(const nrg_graph *g, nrg_node n) { return nrg_graph_node(g, n)->shape; }

// The bit of an axis counted from either end; 0 with a message in the graph when there is none.
static uint32_t axis_bit(nrg_graph *g, nrg_node a, int axis) {
    int rank = nrg_node_shape(g, a).rank, from = axis < 0 ? axis + rank : axis;
    if (a.i && (from < 0 || from >= rank))
        nrg_graph_bad(g, NRG_E034, "axis %d of an array with %d axes", axis, rank);
    return a.i && from >= 0 && from < rank ? 1u << from : 0;
}

static nrg_node along(nrg_graph *g, nrg_op op, nrg_node a, int axis) {
    uint32_t bit = axis_bit(g, a, axis);
    return bit ? nrg_reduce(g, op, a, bit, 0, false) : NRG_BAD;
}

nrg_node nrg_sum_axis(nrg_graph *g, nrg_node a, int axis) { return along(g, NRG_OP_sum, a, axis); }
nrg_node nrg_max_axis(nrg_graph *g, nrg_node a, int axis) { return along(g, NRG_OP_rmax, a, axis); }
nrg_node nrg_min_axis(nrg_graph *g, nrg_node a, int axis) { return along(g, NRG_OP_rmin, a, axis); }
nrg_node nrg_logsumexp_axis(nrg_graph *g, nrg_node a, int axis) {
    return along(g, NRG_OP_lse, a, axis);
}
nrg_node nrg_sum_squares(nrg_graph *g, nrg_node a) { return nrg_sum_all(g, nrg_square(g, a)); }
nrg_node nrg_inner(nrg_graph *g, nrg_node a, nrg_node b) {
    return nrg_sum_all(g, nrg_mul(g, a, b));
}

nrg_node nrg_product_of(nrg_graph *g, nrg_node a, nrg_node b) {
    nrg_shape x = nrg_node_shape(g, a), y = nrg_node_shape(g, b);
    if (!a.i || !b.i) return NRG_BAD;
    if (x.rank < 1 || y.rank < 1 || x.rank > 2 || y.rank > 2)
        return nrg_graph_bad(g, NRG_E035,
                             "a product takes vectors and matrices, not arrays with %d and %d axes",
                             x.rank, y.rank);
    if (x.dim[x.rank - 1] != y.dim[0])
        return nrg_graph_bad(g, NRG_E035,
                             "a product sums %lld numbers on the left and %lld on the right",
                             (long long)x.dim[x.rank - 1], (long long)y.dim[0]);
    int64_t left[2] = {1, x.dim[0]}, right[2] = {y.dim[0], 1};
    if (x.rank == 1) a = nrg_reshape(g, a, nrg_shape_of(2, left));
    if (y.rank == 1) b = nrg_reshape(g, b, nrg_shape_of(2, right));
    nrg_node p = nrg_matmul(g, a, b, false, false, 0);
    nrg_shape out = {0};
    if (x.rank == 2) out.dim[out.rank++] = x.dim[0];
    if (y.rank == 2) out.dim[out.rank++] = y.dim[1];
    return x.rank == 2 && y.rank == 2 ? p : nrg_reshape(g, p, out);
}
