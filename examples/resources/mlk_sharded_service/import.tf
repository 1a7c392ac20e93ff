import {
  to = mlk_sharded_service.vectors
  id = "ml/vectors" # namespace/name of the StatefulSet
}
