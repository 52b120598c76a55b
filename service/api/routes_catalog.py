"""GET /catalog: the columns of the served version, from which a page offers filters."""

from fastapi import APIRouter, Request

from service.api.schemas import Problem
from service.api.schemas_page import CatalogColumn, CatalogResponse, ColumnValue
from service.core.errors import NotReadyError
from service.dispatch.search_service import service_of
from service.protocol.columns import ColumnDescription

router = APIRouter()


@router.get("/catalog", responses={503: {"model": Problem, "description": "No version is served."}})
async def show_catalog(request: Request) -> CatalogResponse:
    """Show the number of products, the parts of scores and the attribute columns of the served version."""
    service = service_of(request)
    served = service.swapper.served
    if served is None:
        raise NotReadyError(service.swapper.reason)
    return CatalogResponse(
        index_version=served.version_id,
        model=served.manifest.model.name,
        count=served.manifest.count,
        parts=list(served.modalities),
        rankings=list(served.rankings),
        photos=service.photos.are_shown,
        columns=[_to_column(column) for column in served.columns],
    )


def _to_column(column: ColumnDescription) -> CatalogColumn:
    return CatalogColumn(
        name=column.name,
        kind=column.kind,
        values=[ColumnValue(value=value, count=count) for value, count in column.values],
        distinct=column.distinct,
        least=column.least,
        most=column.most,
    )
