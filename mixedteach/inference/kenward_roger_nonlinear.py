r"""Kenward and Roger's method where V is not linear in its parameters (AR(1), unequal variances).

The bias of Phi as an estimate has two parts more than in :mod:`.kenward_roger`: V has second
derivatives V_rs, and the estimates of the parameters themselves are biased. With

    R_rs = X'V^-1 V_rs V^-1 X,        b_r = - 1/4 sum_k W_rk sum_st W_st tr(P V_st P V_k)

(P = V^-1 - V^-1 X Phi X'V^-1), the adjusted covariance is

    Phi_A = Phi + 2 Phi [ sum_rs W_rs (Q_rs - P_r Phi P_s - R_rs / 4) ] Phi + sum_r b_r Phi P_r Phi,

P_r = - X'V^-1 V_r V^-1 X. The two parts cancel each other where another choice of parameters would
make V linear (compound symmetry is a random intercept), so that the result depends on the model
alone and not on how its parameters are written. The 1997 paper has R_rs but not b_r; leaving both
out is known as Kenward-Roger-linear. lambda and the degrees of freedom are those of the 1997 paper.

Sources: Kenward and Roger (1997), Biometrics 53, 983-997; Kenward and Roger (2009), Comput. Stat.
Data Anal. 53, 2583-2595, for the term with b_r.
"""

from __future__ import annotations

import numpy as np

from mixedteach.fitting.general import GeneralFit
from mixedteach.inference.kenward_roger import KenwardRoger

Array = np.ndarray


class KenwardRogerNonlinear(KenwardRoger):
    """Kenward and Roger's method for one REML fit with a residual covariance."""

    name = "Kenward-Roger (2009, nonlinear covariance)"
    fit: GeneralFit

    def _curvature(self, P: Array) -> Array:
        """Return half of sum W_rs R_rs / 2 + sum b_r X'V^-1 V_r V^-1 X, so that KR subtracts it."""
        pairs, R, traces = self.fit.curvature
        # each pair r < s stands for itself and for (s, r)
        weight = np.array([self.W[r, s] * (1 if r == s else 2) for r, s in pairs])
        bias = -0.25 * self.W @ (weight @ traces)
        return 0.25 * np.einsum("m,mij->ij", weight, R) + 0.5 * np.einsum("r,rij->ij", bias, P)
